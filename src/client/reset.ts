// Resets a machine for its next user.
import { StatusError } from '../errors.ts';
import { readText } from '../http/client/request.ts';
import { endpoints } from '../protocol/endpoints.ts';
import { errorCodeHeader, parseErrorCode } from '../protocol/error-reply.ts';
import type { BuildletClient, CallOptions } from './buildlet-client.ts';

/**
 * Ends every process of the buildlet, forgets its sessions and empties its work directory; one that cannot do that (Go's)
 * is only emptied.
 */
export async function resetBuildlet(
  client: BuildletClient,
  { signal }: CallOptions = {},
): Promise<void> {
  const request = { method: 'POST', path: endpoints.reset.path, signal } as const;
  const reply = await client.proxyRequest(request);
  const text = (await readText(reply, signal)).trim();
  if (reply.statusCode === 200) return;
  if (reply.statusCode === 404) {
    await client.removeAll(['.'], { signal });
    return;
  }
  const code = parseErrorCode(reply.headers[errorCodeHeader.toLowerCase()]);
  throw new StatusError(reply.statusCode, text, `${client.name}: cannot be reset: ${text}`, {
    code,
  });
}
