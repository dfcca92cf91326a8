// PUT /writetgz: the body is a .tar.gz to extract. POST: the form names a URL to fetch it from.
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { existsSync } from '../../files/named-fs.ts';
import { flowing } from '../../http/relay/flowing.ts';
import { readForm, sendText } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { transferFeature } from '../../protocol/features.ts';
import {
  compressHeader,
  formatTotals,
  formatWarnings,
  linksParameter,
  totalsHeader,
  warningsHeader,
} from '../../protocol/transfer.ts';
import { countBytes, TransferCounter } from '../../tar/transfer-counter.ts';
import { dirOf, headerOf } from './request.ts';

/** Go's bootstrap toolchain: fetched from a URL once, and left alone from then on. */
const keptDir = 'go1.4';

export function putTar(workDir: string, features: readonly string[]): Handler {
  return async ({ request, response, query, signal }) => {
    const fromUrl = request.method === 'POST';
    const url = fromUrl ? await readUrl(request) : undefined;
    const dir = dirOf(query);
    if (fromUrl && dir === keptDir && existsSync(join(workDir, dir))) {
      return sendText(response, 'SKIP');
    }
    const source = url === undefined ? flowing(request) : await fetchUrl(url, signal);
    const options = {
      root: workDir,
      dir,
      signal,
      hasAnyLinks: query.get(linksParameter) === 'any',
    };
    const { unpackTar } = await import('../../tar/unpack.ts');
    if (headerOf(request, compressHeader) && features.includes(transferFeature)) {
      const counter = new TransferCounter();
      // Go's clients get the refusal of absolute names that they know.
      const totals = await unpackTar(countBytes(source, counter), { ...options, stripsRoot: true });
      if (totals.warnings.length > 0) {
        response.setHeader(warningsHeader, formatWarnings(totals.warnings));
      }
      response.setHeader(totalsHeader, formatTotals(counter.totals(totals)));
    } else await unpackTar(source, options);
    sendText(response, 'OK');
  };
}

async function fetchUrl(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  // Loaded on demand: most buildlets never make a request.
  const { fetchBody } = await import('../../http/client/fetch-body.ts');
  return await fetchBody(url, signal);
}

async function readUrl(request: IncomingMessage): Promise<string> {
  const url = (await readForm(request)).get('url') ?? '';
  if (url === '') throw new GomoteError('ERR_REQUEST', 'missing url POST param');
  return url;
}
