import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { openDirectory } from '../../src/files/open-directory.ts';
import { emptyDirectory, removeTree } from '../../src/files/remove-tree.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('a removal removes a tree that is deeper than a path may be long', async () => {
  const directory = temporaryDirectory();
  const half = 'deep/'.repeat(700);
  execFileSync('sh', ['-c', `mkdir -p ${half} && cd ${half} && mkdir -p ${half}`], {
    cwd: directory,
  });
  await removeTree(join(directory, 'deep'));
  expect(readdirSync(directory)).toEqual([]);
});

it('a removal removes a link, not its target; an absent path is no error', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'kept'));
  writeFileSync(join(directory, 'kept/file'), '');
  mkdirSync(join(directory, 'gone'));
  symlinkSync('../kept', join(directory, 'gone/link'));
  await removeTree(join(directory, 'gone'));
  await removeTree(join(directory, 'gone'));
  expect(existsSync(join(directory, 'kept/file'))).toBe(true);
});

it('a removal wins over a program that writes there until its directory is gone', async () => {
  const directory = join(temporaryDirectory(), 'pipes');
  for (let i = 0; i < 20; i++) {
    mkdirSync(directory);
    const script = 'i=0; while : 2>/dev/null >$1/$i; do i=$((i + 1)); done';
    const writer = spawn('sh', ['-c', script, 'sh', directory], { stdio: 'ignore' });
    const ended = once(writer, 'exit');
    await until(() => readdirSync(directory).length > 0);
    await removeTree(directory);
    expect(existsSync(directory)).toBe(false);
    await ended;
  }
});

it('emptying a directory keeps the directory', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'a/b'), { recursive: true });
  writeFileSync(join(directory, '-rf'), '');
  const held = openDirectory(directory);
  await emptyDirectory(held);
  held.close();
  expect(readdirSync(directory)).toEqual([]);
});

// As somebody else than root, for whom every directory is open.
it.each([0o000, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600])(
  'removeTree removes directories of mode %s that belong to the user',
  async (mode) => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'top/closed/in'), { recursive: true });
    writeFileSync(join(directory, 'top/closed/file'), '');
    const user = process.geteuid?.() === 0 ? 65534 : undefined;
    for (const path of ['top/closed/in', 'top/closed', 'top', '.']) {
      if (user !== undefined) chownSync(join(directory, path), user, user);
    }
    chmodSync(join(directory, 'top/closed'), mode);
    chmodSync(join(directory, 'top'), mode);
    if (user !== undefined) process.seteuid?.(user);
    try {
      await removeTree(join(directory, 'top'));
    } finally {
      if (user !== undefined) process.seteuid?.(0);
    }
    expect(readdirSync(directory)).toEqual([]);
  },
);

it('removeTree names the path that it cannot remove', async () => {
  const directory = temporaryDirectory();
  const user = process.geteuid?.() === 0 ? 65534 : undefined;
  mkdirSync(join(directory, 'kept'));
  chmodSync(directory, 0o555);
  if (user !== undefined) process.seteuid?.(user);
  try {
    await expect(removeTree(join(directory, 'kept'))).rejects.toMatchObject({
      code: 'EACCES',
      message: `cannot remove ${join(directory, 'kept')}: permission denied`,
    });
  } finally {
    if (user !== undefined) process.seteuid?.(0);
    chmodSync(directory, 0o755);
  }
});

it('a long removal lets other work proceed', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'many'));
  for (let n = 0; n < 50; n++) writeFileSync(join(directory, 'many', String(n)), '');
  let nowMs = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs++ * 100);
  let turns = 0;
  let isOver = false;
  const counting = (async () => {
    for (; !isOver; turns++) await nextTurn();
  })();
  try {
    await removeTree(join(directory, 'many'));
  } finally {
    clock.mockRestore();
    isOver = true;
    await counting;
  }
  expect(turns).toBeGreaterThan(20);
});
