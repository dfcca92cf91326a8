// What reap ends and removes of buildlets without a record; what a process says of itself is not enough.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { LocalBackend } from '../../../src/backends/local/backend.ts';
import { localPlaces, makeLocalPlaces } from '../../../src/backends/local/places.ts';
import { reapLocal } from '../../../src/backends/local/reap.ts';
import { builtInCatalogue } from '../../../src/builders.ts';
import { until } from '../../helpers/processes.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const onLinux = process.platform === 'linux';
const options = { minimumAgeMs: 0, withDead: false };

const isAlive = (pid: number): boolean => {
  try {
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

it.skipIf(!onLinux)('a buildlet whose record is gone is ended and removed', async () => {
  const environment = {
    ...process.env,
    XDG_RUNTIME_DIR: temporaryDirectory(),
    XDG_STATE_HOME: temporaryDirectory(),
  };
  const backend = new LocalBackend({ kind: 'local', name: 'local', environment }, undefined);
  const { hosts, builders } = builtInCatalogue;
  const { signal } = new AbortController();
  await backend.create(builders[0]!, { user: 'me', host: hosts[0]!, signal });
  const places = localPlaces(environment);
  const directory = join(places.root, 'me-local-0');
  const { pid, workDir } = JSON.parse(readFileSync(join(directory, 'record.json'), 'utf8'));
  rmSync(join(directory, 'record.json'));
  const said = await reapLocal(places, options);
  expect(said[0]).toBe(`process ${pid}: a buildlet without a record`);
  await until(() => !isAlive(pid));
  expect([existsSync(dirname(workDir)), existsSync(directory)]).toEqual([false, false]);
});

it.skipIf(!onLinux)(
  'what a process names is not removed unless it was made for that process',
  async () => {
    const places = localPlaces({ XDG_STATE_HOME: temporaryDirectory(), HOME: '/' });
    const workRoot = await makeLocalPlaces(places);
    const elsewhere = temporaryDirectory();
    const bait = join(elsewhere, 'gomote-me-local-0-0123abcd');
    mkdirSync(bait);
    const directory = join(places.root, 'me-local-0');
    const script = join(elsewhere, 'buildlet.js');
    writeFileSync(script, 'setInterval(() => {}, 1e6); console.log("here")');
    const faces = [
      ['--workdir', bait, '--remove-at-end', directory],
      ['--workdir', bait, '--remove-at-end', bait, '--remove-at-end', directory],
      ['--remove-at-end', `${workRoot}/../${basename(bait)}`, '--remove-at-end', directory],
      ['--remove-at-end', join(workRoot, 'names'), '--remove-at-end', directory],
      [
        '--remove-at-end',
        join(workRoot, 'gomote-me-local-1-0123abcd'),
        '--remove-at-end',
        directory,
      ],
    ];
    for (const face of faces) {
      const child = spawn(process.execPath, [script, ...face], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      await once(child.stdout, 'data');
    }
    expect(await reapLocal(places, options)).toEqual([]);
    expect(existsSync(bait)).toBe(true);
  },
);
