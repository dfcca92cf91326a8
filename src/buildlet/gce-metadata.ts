// Reads the attributes of this virtual machine from the metadata server of Compute Engine.
import { setTimeout as sleep } from 'node:timers/promises';
import { GomoteError, messageOf } from '../errors.ts';
import { HttpClient, listReplyBytes, readText } from '../http/client/request.ts';
import { timeoutSignal } from '../timeout-signal.ts';
import type { Meta } from './meta.ts';

/** How often, and at what interval in ms, to retry a server that does not answer: the network may still be starting. */
const tries = { count: 10, delayMs: 1_000, timeoutMs: 5_000 };

/** Asks for all attributes at once; throws ERR_CONFIG when the server does not answer. */
export async function gceMeta(
  environment: NodeJS.ProcessEnv,
  delayMs = tries.delayMs,
): Promise<Meta> {
  const host = environment.GCE_METADATA_HOST || 'metadata.google.internal';
  for (let attempt = 1; ; attempt++) {
    try {
      const attributes = await fetchAttributes(`http://${host}`);
      return async (key) => attributes.get(key) || undefined;
    } catch (error) {
      if (attempt === tries.count) {
        const message = `cannot read the metadata of this machine from ${host}: ${messageOf(error)}`;
        throw new GomoteError('ERR_CONFIG', message, {
          hint: 'outside of Compute Engine give --gce=false',
          cause: error,
        });
      }
      await sleep(delayMs);
    }
  }
}

async function fetchAttributes(origin: string): Promise<Map<string, string>> {
  const client = new HttpClient({ kind: 'tcp', origin });
  try {
    const signal = timeoutSignal(tries.timeoutMs);
    const response = await client.send({
      method: 'GET',
      path: '/computeMetadata/v1/instance/attributes/?recursive=true',
      headers: { 'Metadata-Flavor': 'Google' },
      signal,
    });
    const body = await readText(response, signal, listReplyBytes);
    // Without this header the reply comes from another server, such as a proxy.
    if (response.statusCode !== 200 || response.headers['metadata-flavor'] !== 'Google') {
      throw new Error(`status ${response.statusCode}, not from a metadata server`);
    }
    return new Map(
      Object.entries(JSON.parse(body) as object).filter(
        (pair): pair is [string, string] => typeof pair[1] === 'string',
      ),
    );
  } finally {
    client.destroy();
  }
}
