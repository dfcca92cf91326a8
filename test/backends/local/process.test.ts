// The end of a local buildlet, whatever has become of its process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { endLocalBuildlet } from '../../../src/backends/local/process.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

it.each([
  ['has ended', async (pid: number) => void process.kill(pid, 'SIGKILL')],
  ['runs', async () => undefined],
])('destroying a buildlet whose process %s ends it and removes its files', async (_, before) => {
  const directory = temporaryDirectory();
  const workDir = join(directory, 'work_1');
  mkdirSync(workDir, { mode: 0o700 });
  const socket = join(directory, 'socket');
  const child = spawn('sleep', ['1000'], { argv0: socket });
  const ended = once(child, 'exit');
  await once(child, 'spawn');
  await before(child.pid ?? 0);
  await endLocalBuildlet({
    ...{ name: 'me-local-0', builderType: 'local', hostType: 'host-local' },
    ...{ created: new Date().toISOString(), socket, workDir, pid: child.pid },
  });
  await ended;
  expect(existsSync(workDir)).toBe(false);
});
