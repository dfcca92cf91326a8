// Errors for incomplete pushes and pulls: they name what was not transferred.
import { type ErrorCode, GomoteError, type GomoteErrorOptions } from '../errors.ts';
import { quoted } from '../printable.ts';
import type { PullSummary } from '../sync/pull/pull-options.ts';
import type { PushSummary } from '../sync/push/push-target.ts';

/** A push or a pull that was incomplete; `summary` says what was done. */
export class IncompleteError extends GomoteError {
  /** The name of its class. */
  override readonly name = 'IncompleteError';
  /** What was transferred, and what was not. */
  readonly summary: PushSummary | PullSummary;

  constructor(
    code: ErrorCode,
    message: string,
    summary: IncompleteError['summary'],
    options?: GomoteErrorOptions,
  ) {
    super(code, message, options);
    this.summary = summary;
  }
}

const shownPaths = 5;

export function somePaths(
  paths: readonly string[],
  inFull: (path: string) => string = (path) => path,
): string {
  const shown = paths.slice(0, shownPaths).map(inFull);
  const left = paths.length - shown.length;
  return `${shown.join('; ')}${left > 0 ? ` and ${left} more` : ''}`;
}

export function throwUnsent(summary: PushSummary): void {
  const [only] = summary.unsent.values();
  if (only === undefined) return;
  const reasons = [...summary.unsent.values()].map(({ message }) => message);
  throw new IncompleteError(only.code, `not sent: ${somePaths(reasons)}`, summary, {
    hint: only.hint ?? 'everything else is there',
  });
}

/** The caller's names of the two options that resolve a conflict, for messages. */
interface Cures {
  readonly force: string;
  readonly keepBoth: string;
}

export function throwIncompletePull(
  summary: PullSummary,
  {
    dryRun,
    keepBoth,
  }: { readonly dryRun?: boolean | undefined; readonly keepBoth?: boolean | undefined },
  cures: Cures = { force: 'force', keepBoth: 'keepBoth' },
): void {
  const { kept, beside, refused, failed, reasons } = summary;
  const besides = new Set(beside);
  const conflicts = kept.filter((path) => !besides.has(`${path}.remote`));
  const left = [...conflicts, ...refused, ...failed];
  if (left.length === 0) return;
  const code = conflicts.length > 0 ? 'ERR_CONFLICT' : refused.length > 0 ? 'ERR_PATH' : 'ERR_LOST';
  const rest = dryRun ? 'nothing was done' : 'everything else has come';
  // With keepBoth, a conflict remains only where the name for the other version is taken.
  const other = keepBoth
    ? 'or move away what is called NAME.remote here'
    : `${cures.keepBoth} writes NAME.remote beside it`;
  const cure = conflicts.length > 0 ? `; ${cures.force} overwrites, ${other}` : '';
  const message = somePaths(
    left,
    (path) => `${path}: ${withoutPath(path, reasons.get(path) ?? '')}`,
  );
  throw new IncompleteError(code, message, summary, { hint: rest + cure });
}

/** The reason without the path, with which it may begin. */
const withoutPath = (path: string, reason: string): string =>
  reason.startsWith(quoted(path)) ? reason.slice(quoted(path).length).trim() : reason;
