// Reads a buildlet's JSON about sessions: replies and records of logs. Unknown fields are ignored.
import * as v from 'valibot';
import { largestStatus } from './process-state.ts';
import { count, listOf, moment, parseBy, sha256, text } from './reply-fields.ts';
import {
  endReasons,
  isSessionId,
  memoryMeasures,
  networkClosings,
  type SessionEnd,
  type SessionInfo,
  type Standstill,
  standstillCauses,
} from './session.ts';

const stream = v.object({ bytes: count, sha256 });

const code = v.pipe(count, v.maxValue(largestStatus));

const signalName = v.pipe(v.string(), v.regex(/^SIG[A-Z0-9+-]{1,16}$/));

const durationMs = v.pipe(v.number(), v.finite(), v.minValue(0));

export const runUsage = v.object({
  cpuMs: durationMs,
  peakMemoryBytes: v.optional(count),
  memoryBy: v.optional(v.picklist(memoryMeasures)),
});

/** How a session ended. */
export const sessionEnd = v.pipe(
  v.object({
    code: v.nullable(code),
    signal: v.nullable(signalName),
    why: v.picklist(endReasons),
    state: text(64 << 10),
    error: v.optional(text(64 << 10)),
    network: v.optional(v.picklist(networkClosings)),
    usage: v.optional(runUsage),
    started: moment,
    ended: moment,
    durationMs,
    stdout: stream,
    stderr: stream,
  }),
  // A command that exited has a status, and one that a signal ended has the signal.
  v.check(({ why, code, signal }) => (why === 'exit' ? code !== null && signal === null : true)),
  v.check(({ why, signal }) => why !== 'signal' || signal !== null),
);

const info = v.object({
  id: v.pipe(v.string(), v.check(isSessionId)),
  command: listOf(text(4 << 20), 1 << 20),
  running: v.boolean(),
  detached: v.boolean(),
  tty: v.optional(v.boolean(), false),
  stopped: v.optional(v.boolean()),
  readers: count,
  started: moment,
  logBytes: count,
  stdinBytes: count,
  end: v.optional(sessionEnd),
});

/** Log offsets, and the offsets of the streams after the gap. */
const gap = v.pipe(
  v.object({ from: count, to: count, stdout: count, stderr: count }),
  v.check(({ from, to }) => to >= from),
);

/** Output that was dropped from the log before a reader had it. */
export type Gap = v.InferOutput<typeof gap>;

const range = v.object({ path: text(), identity: text(64), at: count, bytes: count });

/** Complete records of a log in a file of the buildlet's machine, with the identity that it has there: the content of a `file` record. */
export type FileRange = v.InferOutput<typeof range>;

const times = v.pipe(v.array(v.tuple([count, count])), v.maxLength(1 << 16));

const standstill = v.object({ by: v.picklist(standstillCauses) });

const state = v.object({ standstill: v.optional(standstill) });

const input = v.object({ offset: count, closed: v.boolean() });

/** Reads a log's closing record; undefined when it is not one. */
export const parseSessionEnd = (json: string): SessionEnd | undefined => parseBy(sessionEnd, json);

/** Reads a log's record of dropped output; undefined when it is not one. */
export const parseGap = (json: string): Gap | undefined => parseBy(gap, json);

/** Reads a log's record that names a file; undefined when it is not one. */
export const parseFileRange = (json: string): FileRange | undefined => parseBy(range, json);

/** Reads a log's record with times of output; undefined when it is not one. */
export const parseTimes = (json: string): [offset: number, moment: number][] | undefined =>
  parseBy(times, json);

/** Reads a log's record that says whether the command is stopped; undefined when it is not one. */
export const parseState = (json: string): { standstill?: Standstill | undefined } | undefined =>
  parseBy(state, json);

/** Reads the reply of `/sessions`; undefined when it is not one. */
export const parseSessionInfos = (json: string): SessionInfo[] | undefined =>
  parseBy(listOf(info), json);

/** Reads the reply to input: how much was accepted in total, and whether the input has ended. Undefined when it is not one. */
export const parseInputReply = (json: string): { offset: number; closed: boolean } | undefined =>
  parseBy(input, json);
