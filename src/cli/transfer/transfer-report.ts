// Reports file transfers: a progress line on a terminal, and with `--json` a summary.
import { GomoteError } from '../../errors.ts';
import { printable } from '../../printable.ts';
import type { Skipped, TransferSummary } from '../../protocol/transfer.ts';
import type { Context } from '../context.ts';
import type { Passed } from '../terminal/progress.ts';
import { printJson } from '../terminal/terminal.ts';

export async function reported(
  context: Context,
  { json, passed }: { readonly json: boolean | undefined; readonly passed: Passed },
  work: () => Promise<TransferSummary>,
): Promise<void> {
  const startedAtMs = performance.now();
  const { files, bytes, wireBytes, sha256, warnings, skipped } = await context.messages.showing(
    passed,
    work,
  );
  for (const warning of warnings ?? []) context.messages.say(`warning: ${printable(warning)}`);
  if (json) {
    const seconds = Math.round(performance.now() - startedAtMs) / 1000;
    const summary = { files, bytes, wireBytes, seconds, digest: sha256 };
    await printJson(context.terminal, summary);
  }
  throwSkipped(skipped, context);
}

/** Names the paths that were not transferred exactly, and throws if there are any; the rest has been transferred. */
export function throwSkipped(skipped: Skipped | undefined, { messages }: Context): void {
  if (skipped === undefined || skipped.count === 0) return;
  const { count, first } = skipped;
  for (const line of first) messages.say(printable(line));
  if (count > first.length) messages.say(`and ${count - first.length} more`);
  const what = count === 1 ? 'one path is' : `${count} paths are`;
  throw new GomoteError('ERR_LOST', `${what} not in the archive as found; the rest is`);
}

export async function* watched(
  source: AsyncIterable<Uint8Array>,
  passed: Passed,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    passed.bytes += chunk.length;
    yield chunk;
  }
}
