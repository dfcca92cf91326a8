// Finds out how a removed container ended: the engine remembers recent events.

import * as v from 'valibot';
import { isStatus } from '../../errors.ts';
import { killedForMemory } from '../../protocol/limits.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Engine } from './engine.ts';

/** How far back to look, in seconds. */
const pastSeconds = 3_600;
const timeoutMs = 3_000;

const event = v.object({
  Action: v.string(),
  Actor: v.object({ Attributes: v.nullish(v.record(v.string(), v.string())) }),
});

const state = v.object({ State: v.object({ Running: v.boolean() }) });

/** The cause as text; `in order`: it was destroyed or had expired; undefined: it is running, or unknown. */
export async function causeOfEnd(engine: Engine, name: string): Promise<string | undefined> {
  const signal = timeoutSignal(timeoutMs);
  try {
    const path = `/containers/${encodeURIComponent(name)}/json`;
    const found = v.parse(state, await engine.json({ method: 'GET', path, signal }));
    if (found.State.Running) return undefined;
  } catch (error) {
    if (!isStatus(error, 404)) throw error;
  }
  const events = await eventsOf(engine, name, signal);
  const happened = (action: string) => events.some(({ Action }) => Action === action);
  const end = events.findLast(({ Action }) => Action === 'die');
  const exitCode = Number(end?.Actor.Attributes?.exitCode ?? 0);
  if (exitCode === 0 || happened('kill')) return 'in order';
  if (exitCode !== 137) return `it ended with status ${exitCode}`;
  return happened('oom') ? `${killedForMemory}, status 137` : 'SIGKILL, status 137';
}

async function eventsOf(engine: Engine, name: string, signal: AbortSignal) {
  const nowSeconds = Date.now() / 1_000;
  const filters = { type: ['container'], container: [name], event: ['die', 'oom', 'kill'] };
  const text = await engine.text({
    method: 'GET',
    path: '/events',
    query: {
      since: String(Math.floor(nowSeconds - pastSeconds)),
      // With a future time the engine would wait for it.
      until: nowSeconds.toFixed(3),
      filters: JSON.stringify(filters),
    },
    signal,
  });
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => v.parse(event, JSON.parse(line)));
}
