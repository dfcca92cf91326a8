// Clients that are killed, or given what cannot be read: the command itself takes no harm, and its output is all there.

import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { times } from '../helpers/counts.ts';
import { type Ended, ending, type Workshop, workshop } from '../helpers/programs.ts';
import { random } from '../helpers/random.ts';

const runs = times(3, 100);

/** Long enough for a client to have begun, to be in the middle, and to be done. */
const longestMs = 700;

const numbers = (lines: number): string =>
  Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join('');

/** Runs it by clients of which all but the last are killed. */
async function runKilled({ start }: Workshop, name: string, id: string, script: string) {
  const run = ['run', '--id', id, name, 'sh', '-c', script];
  let args = run;
  for (let kills = random(3); ; kills--) {
    const client = start('gomote', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = ending(client);
    if (kills > 0) {
      await Promise.race([ended, sleep(random(longestMs))]);
      client.kill('SIGKILL');
    }
    const result = await ended;
    // One that was killed before it had begun the run left nothing to pick up.
    const isUnknown = result.code === 125 && result.stderr.includes(`has no run "${id}"`);
    if (result.signal !== 'SIGKILL' && !isUnknown) return result;
    args = isUnknown ? run : ['attach', name, id];
  }
}

it(`attach returns every byte once, in order, and the right status, after clients are killed, ${runs} times`, async () => {
  const shop = workshop();
  const name = await shop.create();
  for (let n = 0; n < runs; n++) {
    const lines = 2 * (1 + random(20_000));
    const status = random(256);
    const script = `seq 1 ${lines} >&2 & seq 1 ${lines / 2}; sleep 0.${random(4)}; seq ${lines / 2 + 1} ${lines}; wait; exit ${status}`;
    const result: Ended = await runKilled(shop, name, `run-${n}`, script);
    expect({ n, code: result.code }).toEqual({ n, code: status });
    expect(result.stdout.toString() === numbers(lines), `stdout of ${n}`).toBe(true);
    expect(result.stderr === numbers(lines), `stderr of ${n}`).toBe(true);
  }
});

it('a directory as standard input is one line of error, and nothing is run', async () => {
  const { start, create, directory } = workshop();
  const name = await create();
  const input = openSync(directory, 'r');
  const ran = join(directory, 'ran');
  const client = start('gomote', ['run', name, 'sh', '-c', `cat; touch ${ran}`], {
    stdio: [input, 'pipe', 'pipe'],
  });
  closeSync(input);
  expect(await ending(client)).toMatchObject({
    code: 125,
    stdout: Buffer.alloc(0),
    stderr: expect.stringMatching(/^gomote: standard input is a directory, .*\n$/),
  });
  expect(existsSync(ran)).toBe(false);
});
