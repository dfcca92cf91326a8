// A buildlet that is killed leaves the tree that it made ahead; the next one in the same temporary directory removes it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { push } from '../../../src/sync/push/push.ts';
import { clientOf, startBuildlet } from '../../helpers/buildlet.ts';
import { until } from '../../helpers/processes.ts';
import { buildletProgram } from '../../helpers/programs.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

/** A store that remembers a tree. */
async function primed(): Promise<string> {
  const [root, top] = [join(temporaryDirectory(), 'store'), temporaryDirectory()];
  for (let count = 0; count < 150; count++) {
    writeFileSync(join(top, `${count}`), `content ${count}`.repeat(300));
  }
  const store = { root, room: 'own', limitBytes: 100 << 20 };
  const { signal } = new AbortController();
  await push([clientOf(await startBuildlet({ store }))], top, { dir: 'tree', signal });
  await until(() => existsSync(join(root, 'own', 'last-tree')));
  return root;
}

/** A buildlet of its own process, which has begun to make a tree ahead. */
async function startProcess(store: string, parent: string) {
  const before = new Set(readdirSync(parent));
  const socket = join(temporaryDirectory(), 'socket');
  const child = spawn(
    process.execPath,
    [buildletProgram, '--listen', `unix:${socket}`, '--store', store],
    { env: { PATH: process.env.PATH, TMPDIR: parent, HOME: parent }, stdio: 'ignore' },
  );
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  const scratch = () => readdirSync(parent).find((name) => !before.has(name)) ?? 'none';
  const stage = () => join(parent, scratch(), 'ahead');
  await until(() => existsSync(stage()) && readdirSync(stage()).length > 0);
  return { kill, stage: stage() };
}

it('a buildlet removes the trees that killed buildlets have made ahead, and none of a living one', async () => {
  const store = await primed();
  const parent = temporaryDirectory();
  const [killed, living] = [await startProcess(store, parent), await startProcess(store, parent)];
  await killed.kill();
  // Neither what is behind a link nor what nobody holds is removed.
  const other = join(temporaryDirectory(), 'other');
  mkdirSync(join(other, 'ahead', 'tree'), { recursive: true });
  symlinkSync(other, join(parent, 'buildlet-link'));
  mkdirSync(join(parent, 'buildlet-older', 'ahead', 'tree'), { recursive: true, mode: 0o700 });
  await startBuildlet({ temporaryDirectory: parent });
  await until(() => !existsSync(killed.stage));
  for (const stage of [
    living.stage,
    join(other, 'ahead'),
    join(parent, 'buildlet-older', 'ahead'),
  ]) {
    expect(readdirSync(stage)).toHaveLength(1);
  }
});

it('a buildlet starts where the directories of others cannot be read', async () => {
  const [store, parent] = [await primed(), temporaryDirectory()];
  const killed = await startProcess(store, parent);
  await killed.kill();
  const scratch = join(killed.stage, '..');
  renameSync(scratch, `${parent}/buildlet-0`);
  mkdirSync(scratch, { mode: 0o777 });
  writeFileSync(join(parent, 'buildlet-file'), '');
  await startBuildlet({ temporaryDirectory: parent });
  await until(() => !existsSync(join(parent, 'buildlet-0', 'ahead')));
});
