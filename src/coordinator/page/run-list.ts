// The runs that a machine knows, running and finished: what a page shows of them.
import * as v from 'valibot';
import type { Relay } from '../../http/relay/proxy.ts';
import { printable } from '../../printable.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import { parseJson } from '../../protocol/reply-fields.ts';
import { isSessionId } from '../../protocol/session.ts';
import { runsReplyBytes } from '../sessions/machine-runs.ts';

/** How many are shown, the newest, and how much of a command, in words and in characters. */
const runLimit = 200;
const wordLimit = 100;
const commandLimit = 500;

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** A machine may say anything: what does not fit is left out. */
const runSchema = v.object({
  id: v.pipe(v.string(), v.check(isSessionId)),
  command: v.pipe(v.array(v.string()), v.minLength(1)),
  running: v.boolean(),
  detached: v.optional(v.boolean(), false),
  started: v.pipe(
    v.string(),
    v.transform((text) => Date.parse(text)),
    v.number(),
    v.finite(),
  ),
  logBytes: v.optional(count, 0),
  end: v.optional(
    v.object({
      code: v.nullable(count),
      signal: v.nullable(v.pipe(v.string(), v.regex(/^SIG[A-Z0-9+-]{1,16}$/))),
      why: v.optional(v.pipe(v.string(), v.regex(/^[a-z-]{1,32}$/))),
      durationMs: v.pipe(v.number(), v.finite(), v.minValue(0)),
    }),
  ),
});

export interface RunRow {
  readonly id: string;
  readonly command: string;
  readonly startedMs: number;
  readonly isRunning: boolean;
  readonly isDetached: boolean;
  /** How long its output is, with what the log needs. */
  readonly logBytes: number;
  readonly code?: number | undefined;
  readonly signal?: string | undefined;
  readonly why?: string | undefined;
  readonly durationMs?: number | undefined;
}

/** The newest first; undefined when the machine cannot say. */
export async function runsOn(
  relay: Relay,
  signal: AbortSignal,
  withArguments: boolean,
): Promise<RunRow[] | undefined> {
  const { status, text } = await relay.get(endpoints.sessions.path, signal, runsReplyBytes);
  const listed = v.safeParse(v.array(v.unknown()), status === 200 ? parseJson(text) : undefined);
  if (!listed.success) return undefined;
  const rows = new Map<string, RunRow>();
  for (const one of listed.output) {
    const { success, output } = v.safeParse(runSchema, one);
    if (!success) continue;
    const { id, command, running, detached, started, logBytes, end } = output;
    const words = command
      .slice(0, withArguments ? wordLimit : 1)
      .map((word) => printable(word.slice(0, commandLimit)));
    rows.set(id, {
      ...{ id, command: words.join(' ').slice(0, commandLimit), logBytes },
      ...{ isRunning: running, isDetached: detached },
      startedMs: Math.min(started, Date.now()),
      ...(end !== undefined && {
        ...{ code: end.code ?? undefined, signal: end.signal ?? undefined },
        ...{ why: end.why, durationMs: end.durationMs },
      }),
    });
  }
  return [...rows.values()].sort((a, b) => b.startedMs - a.startedMs).slice(0, runLimit);
}
