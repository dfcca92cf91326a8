// What a buildlet remembers of runs, of which it may remember thousands.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { clientOf, startBuildlet } from '../../helpers/buildlet.ts';
import { until } from '../../helpers/processes.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const count = 12;
const environmentBytes = 8 << 20;

/** In bytes, once all that can be freed is. */
function memory(): number {
  for (let turn = 0; turn < 3; turn++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

it.each([
  { what: 'their environments', args: [], env: ['BIG'] },
  { what: 'their arguments', args: ['x'.repeat(100_000)], env: [] },
])('finished runs do not keep $what', async ({ args, env }) => {
  const client = clientOf(await startBuildlet());
  const pieces = Math.floor(environmentBytes / 100_000);
  const start = async (id: number) => {
    // The system takes no single string of more than 128 KiB, and no more than 2 MiB of all: what is refused is kept as well.
    await client.sessions.start({
      cmd: 'true',
      systemLevel: true,
      detach: true,
      args: args.flatMap((arg) => Array(pieces).fill(arg)),
      env: env.flatMap((name) =>
        Array.from({ length: pieces }, (_, at) => `${name}${at}=${`${id}`.padEnd(100_000, '.')}`),
      ),
    });
  };
  await start(-1);
  const before = memory();
  for (let id = 0; id < count; id++) await start(id);
  await until(async () => (await client.sessions.list()).every(({ running }) => !running));
  // A tenth of what came.
  expect(memory() - before).toBeLessThan((count * environmentBytes) / 10);
  for (const { command } of await client.sessions.list()) {
    expect(command[0]).toBe('true');
    expect(command.join(' ').length).toBeLessThan(5_000);
  }
});

it('a run is recognized by its whole request', async () => {
  const buildlet = await startBuildlet();
  const client = clientOf(buildlet);
  const request = { cmd: 'true', systemLevel: true, detach: true, args: ['x'.repeat(50_000)] };
  const run = await client.sessions.start({ ...request, id: 'same' });
  expect((await client.sessions.start({ ...request, id: 'same' }))?.id).toBe(run?.id);
  const other = { ...request, args: [`${'x'.repeat(49_999)}y`], id: 'same' };
  await expect(client.sessions.start(other)).rejects.toMatchObject({ status: 409 });
});
