// How a container ended that has been removed since: the engine remembers its last events.

import * as v from 'valibot';
import { killedForMemory } from '../../protocol/limits.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Engine } from './engine.ts';
import { isStatus } from './refusal.ts';

/** How far back it is looked, in seconds. */
const pastSeconds = 3_600;
const timeoutMs = 3_000;

const event = v.object({
  Action: v.string(),
  Actor: v.object({ Attributes: v.nullish(v.record(v.string(), v.string())) }),
});

const state = v.object({
  State: v.object({
    Running: v.boolean(),
    OOMKilled: v.optional(v.boolean(), false),
    ExitCode: v.optional(v.number(), 0),
  }),
});

/** In words; `in order`: it was destroyed, or its time was over; undefined: it runs, or nobody knows. */
export async function howItEnded(engine: Engine, name: string): Promise<string | undefined> {
  const signal = timeoutSignal(timeoutMs);
  try {
    const path = `/containers/${encodeURIComponent(name)}/json`;
    const { State } = v.parse(state, await engine.json({ method: 'GET', path, signal }));
    return State.Running ? undefined : wordsOf(State.ExitCode, State.OOMKilled);
  } catch (error) {
    if (!isStatus(error, 404)) throw error;
  }
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const filters = { type: ['container'], container: [name], event: ['die', 'oom', 'kill'] };
  const body = await engine.stream({
    method: 'GET',
    path: '/events',
    query: {
      since: String(nowSeconds - pastSeconds),
      until: String(nowSeconds),
      filters: JSON.stringify(filters),
    },
    signal,
  });
  let text = '';
  for await (const chunk of body) text += chunk;
  const events = text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [parsed(line)]));
  const end = events.findLast((one) => one?.Action === 'die');
  if (end === undefined) return 'in order';
  const isOutOfMemory = events.some((one) => one?.Action === 'oom');
  return wordsOf(Number(end.Actor.Attributes?.exitCode ?? 0), isOutOfMemory);
}

function parsed(line: string): v.InferOutput<typeof event> | undefined {
  const result = v.safeParse(event, JSON.parse(line));
  return result.success ? result.output : undefined;
}

function wordsOf(exitCode: number, isOutOfMemory: boolean): string {
  if (exitCode === 0) return 'in order';
  if (exitCode === 137 && isOutOfMemory) return `killed: ${killedForMemory}, 137`;
  return exitCode === 137 ? 'killed (137, SIGKILL)' : `it ended with status ${exitCode}`;
}
