// What a buildlet says of a session that it started detached.
import type { HttpResponse } from '../../http/client/request.ts';
import { loadReplies } from './session-reader.ts';

/** The longest description of a session that is read, in bytes. */
const limitBytes = 16 << 20;

/** Why the session in the reply could not be started; undefined if it was, or the reply does not say. */
export async function notStartedIn({ body }: HttpResponse): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.length;
    if (sizeBytes <= limitBytes) chunks.push(chunk);
  }
  if (sizeBytes > limitBytes) return undefined;
  const { parseSessionInfos } = await loadReplies();
  const [info] = parseSessionInfos(`[${Buffer.concat(chunks)}]`) ?? [];
  return info?.end?.why === 'not-started' ? info.end.state : undefined;
}
