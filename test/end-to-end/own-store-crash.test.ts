// Buildlets with one store, as on an ssh host or a docker engine, are killed at any moment of pushes: the next push leaves the
// tree that is here, and what the store has is whole.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { times } from '../helpers/counts.ts';
import { buildletProgram } from '../helpers/programs.ts';
import { random } from '../helpers/random.ts';
import { pushTo, seen } from '../helpers/stored-push.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const kills = times(4, 100);

function plant(): string {
  const top = temporaryDirectory();
  mkdirSync(join(top, 'small'));
  for (let count = 0; count < 120; count++) {
    writeFileSync(join(top, 'small', `${count}`), randomBytes(20_000));
  }
  writeFileSync(join(top, 'large'), randomBytes(5 << 20));
  return top;
}

/** A buildlet in a process of its own, with the store. */
async function start(store: string) {
  const directory = temporaryDirectory();
  const socket = join(directory, 'socket');
  const workDir = join(directory, 'work');
  const child = spawn(
    process.execPath,
    [buildletProgram, '--listen', `unix:${socket}`, '--workdir', workDir, '--store', store],
    {
      env: { PATH: process.env.PATH, TMPDIR: directory, HOME: directory },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  // It has printed its address.
  await once(child.stdout, 'data');
  const client = new BuildletClient({ kind: 'unix', path: socket });
  onTestFinished(() => client.disconnect());
  return { client, kill, tree: join(workDir, 'tree') };
}

it(`${kills} kills of buildlets with one store lose no file and leave no wrong one`, async () => {
  const store = join(temporaryDirectory(), 'store');
  const top = plant();
  for (let kill = 0; kill < kills; kill++) {
    // Some of it is in the store, some is not.
    writeFileSync(join(top, 'small', `${kill % 120}`), randomBytes(400_000));
    const [victim, beside] = [await start(store), await start(store)];
    const pushes = [victim, beside].map(
      async ({ client }) => await pushTo(client, top, { compress: 'none' }).catch(() => undefined),
    );
    await sleep(random(500));
    await victim.kill();
    await Promise.all(pushes);
    expect(seen(beside.tree), `beside kill ${kill}`).toEqual(seen(top));
    const next = await start(store);
    await pushTo(next.client, top);
    expect(seen(next.tree), `after kill ${kill}`).toEqual(seen(top));
    await Promise.all([beside.kill(), next.kill()]);
  }
  const last = await start(store);
  const { storedBytes, bytes } = await pushTo(last.client, top);
  expect(storedBytes).toBe(bytes);
  expect(seen(last.tree)).toEqual(seen(top));
}, 1_800_000);
