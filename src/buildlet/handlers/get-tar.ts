// GET /tgz: a directory as .tar.gz, or in the compression that the client asks for.
import type { LateTrailers } from '../../http/server/late-trailers.ts';
import { sendStream } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import { transferFeature, zstdFeature } from '../../protocol/features.ts';
import {
  compressHeader,
  excludeParameter,
  formatSkipped,
  formatTotals,
  parseCompression,
  partialParameter,
  preciseParameter,
  totalsHeader,
} from '../../protocol/transfer.ts';
import type { PackOptions } from '../../tar/pack.ts';
import { SkippedList } from '../../tar/skipped-list.ts';
import { countBytes, TransferCounter } from '../../tar/transfer-counter.ts';
import { dirOf, headerOf } from './request.ts';

interface Content {
  readonly workDir: string;
  /** Links that are this buildlet's alone: no snapshot has them. */
  readonly ownLinks: () => readonly string[];
}

export function getTar(
  { workDir, ownLinks }: Content,
  features: readonly string[],
  late: LateTrailers,
): Handler {
  const hasZstd = features.includes(zstdFeature);
  return async ({ request, response, query, signal }) => {
    const dir = dirOf(query);
    // Loaded on first use, as in put-tar.ts: it takes a tenth of a buildlet's start.
    const { packTar } = await import('../../tar/pack.ts');
    const wish = headerOf(request, compressHeader);
    const isPrecise = query.get(preciseParameter) === '1';
    const isSnapshot = isPrecise && dir === '.';
    const options: PackOptions = {
      release: query.get('pargzip') === '0',
      isPrecise,
      exclude: [...query.getAll(excludeParameter), ...(isSnapshot ? ownLinks() : [])],
      signal,
    };
    if (wish === undefined || !features.includes(transferFeature)) {
      return await sendStream(response, packTar(workDir, dir, options), contentTypes.gzip);
    }
    const wished = parseCompression(wish) ?? 'gzip';
    const compress = wished === 'zstd' && (!hasZstd || options.release) ? 'gzip' : wished;
    const totals = { files: 0, bytes: 0 };
    const counter = new TransferCounter();
    const skipped = new SkippedList();
    const onSkipped = query.get(partialParameter) === '1' ? skipped.add : undefined;
    const packed = packTar(workDir, dir, { ...options, compress, totals, onSkipped });
    const archive = countBytes(packed, counter);
    const type = compress === 'zstd' ? contentTypes.zstd : contentTypes.gzip;
    const value = () => formatTotals(counter.totals(totals)) + formatSkipped(skipped);
    await sendStream(response, archive, type, {
      announce: (reply) => late.announce(reply, totalsHeader),
      value,
    });
  };
}
