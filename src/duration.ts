// Durations as Go writes them: 90s, 1h30m, 250ms.
import { GomoteError } from './errors.ts';

const unitsMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** The longest that a timer of Node can wait, in ms: almost 25 days. */
const limitMs = 2 ** 31 - 1;

/** Reads the value of `option` as milliseconds; throws ERR_USAGE. */
export function parseDuration(option: string, text: string): number {
  const durationMs = text === '0' ? 0 : sumOf(text);
  if (durationMs !== undefined && durationMs <= limitMs) return durationMs;
  const why = durationMs === undefined ? 'not a duration' : 'longer than 24 days';
  throw new GomoteError('ERR_USAGE', `${option} "${text}" is ${why}`, {
    hint: 'give one such as 90s, 10m or 1h30m',
  });
}

function sumOf(text: string): number | undefined {
  const parts = [...text.matchAll(/([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ms|s|m|h)/g)];
  if (text === '' || parts.map(([part]) => part).join('') !== text) return undefined;
  return Math.round(
    parts.reduce((sum, [, number, unit]) => sum + Number(number) * (unitsMs[unit ?? ''] ?? 0), 0),
  );
}

/** Whole seconds as Go prints them: 29m40s, 1h0m5s. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.round(durationMs / 1_000);
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}

/** How long ago that was. */
export const formatAge = (since: Date): string =>
  formatDuration(Math.max(0, Date.now() - since.getTime()));
