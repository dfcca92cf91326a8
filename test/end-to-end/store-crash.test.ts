// Coordinator, machine and client are killed at any moment of pushes through the store: the next push leaves the tree that is here.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { pull } from '../../src/sync/pull/pull.ts';
import { push } from '../../src/sync/push/push.ts';
import type { PushSummary } from '../../src/sync/push/push-target.ts';
import { tokenOf } from '../helpers/coordinator.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { times } from '../helpers/counts.ts';
import { startCutter } from '../helpers/cutter.ts';
import { processesWith } from '../helpers/processes.ts';
import { gomoteProgram } from '../helpers/programs.ts';
import { random } from '../helpers/random.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { snapshot } from '../tar/tree.ts';

const kills = times(3, 100);
const victims = ['coordinator', 'machine', 'client'] as const;

const toml = [
  '[pools.here]',
  'kind = "local"',
  'isolation = "none"',
  'host = "host-local"',
  'maximum = 4',
].join('\n');

const seen = (top: string): string[] =>
  snapshot(top).map((line) => line.replace(/ 40755 .*/, '').slice(0, 100));

function plant(): string {
  const top = temporaryDirectory();
  mkdirSync(join(top, 'small'));
  for (let count = 0; count < 60; count++) {
    writeFileSync(join(top, 'small', `${count}`), randomBytes(20_000));
  }
  writeFileSync(join(top, 'large'), randomBytes(5 << 20));
  return top;
}

const signal = new AbortController().signal;

async function pushTo(client: BuildletClient, top: string): Promise<PushSummary> {
  const [result] = await push([client], top, { dir: 'tree', signal, compress: 'none' });
  if (result?.status !== 'fulfilled') throw result?.reason;
  return result.value;
}

it(`${kills} kills lose no file and leave no wrong one`, async () => {
  const coordinator = new CoordinatorProcess({ toml });
  const machines = () => processesWith(`${join(coordinator.directory, 'state', 'pools')}/`);
  onTestFinished(() => {
    for (const pid of machines()) process.kill(pid, 'SIGKILL');
  });
  await coordinator.start();
  const top = plant();
  const program = clientProgram(
    coordinator.directory,
    (await startCutter(`unix:${coordinator.socketPath}`)).address,
  );
  expect(await once(program('list'), 'exit')).toEqual([0, null]);
  for (let kill = 0; kill < kills; kill++) {
    const victim = victims[kill % victims.length];
    // Some of it is in the store, some is not.
    writeFileSync(join(top, 'small', `${kill % 60}`), randomBytes(400_000));
    const { name } = await coordinator.client().requestBuildlet('local');
    const buildlet = () => coordinator.client().namedBuildlet(name);
    const moment = sleep(random(600));
    if (victim === 'client') {
      const child = program('push', '--dest', 'tree', `team/${name}`, top);
      const ended = once(child, 'exit');
      await moment;
      child.kill('SIGKILL');
      await ended;
    } else {
      const pushed = pushTo(buildlet(), top).catch(() => undefined);
      await moment;
      if (victim === 'coordinator') await coordinator.kill();
      else for (const pid of machines()) process.kill(pid, 'SIGKILL');
      await pushed;
      if (victim === 'coordinator') await coordinator.start();
    }
    const fresh =
      victim === 'machine' ? await coordinator.client().createBuildlet('local') : buildlet();
    await pushTo(fresh, top);
    const back = temporaryDirectory();
    await pull(fresh, back, { dir: 'tree', signal });
    expect(seen(back), `kill ${kill}, of the ${victim}`).toEqual(seen(top));
    rmSync(back, { recursive: true });
    await fresh.halt();
  }
  // What was kept in all that is whole.
  const last = await coordinator.client().createBuildlet('local');
  const { storedBytes, bytes } = await pushTo(last, top);
  expect(storedBytes).toBe(bytes);
}, 600_000);

/** Starts the command line with the coordinator as the backend `team`. */
function clientProgram(directory: string, address: string) {
  const config = join(directory, 'config');
  mkdirSync(join(config, 'gomote'), { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, 'token'), tokenOf('me'), { mode: 0o600 });
  const section = [
    '[backends.team]',
    'kind = "coordinator"',
    `url = "http://${address}"`,
    'user = "me"',
    `token-file = "${join(directory, 'token')}"`,
  ];
  writeFileSync(join(config, 'gomote/config.toml'), section.join('\n'), { mode: 0o600 });
  const { PATH } = process.env;
  const env = { PATH, HOME: directory, XDG_CONFIG_HOME: config, XDG_RUNTIME_DIR: directory };
  return (...args: string[]) =>
    spawn(process.execPath, [gomoteProgram, ...args], { env, stdio: 'ignore' });
}
