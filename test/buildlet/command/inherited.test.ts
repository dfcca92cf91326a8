// What a buildlet inherits from the process that starts it.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../helpers/processes.ts';
import { buildletProgram } from '../../helpers/programs.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

it.runIf(process.platform === 'linux')(
  'a buildlet closes inherited descriptors, except those of certificates, which Node reads in a thread',
  async () => {
    const directory = temporaryDirectory();
    const lock = join(directory, 'lock');
    const certificates = join(directory, 'ca.pem');
    const fds = [lock, certificates].map((path) => {
      writeFileSync(path, '');
      return openSync(path, 'r');
    });
    const argv = ['--listen', `unix:${join(directory, 'socket')}`, '--workdir', directory];
    const child = spawn(process.execPath, [buildletProgram, ...argv], {
      stdio: ['ignore', 'pipe', 'ignore', ...fds],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: certificates },
    });
    onTestFinished(() => void child.kill());
    for (const fd of fds) closeSync(fd);
    let output = '';
    child.stdout?.on('data', (data) => {
      output += data;
    });
    await until(() => output.includes('socket'));
    const open = readdirSync(`/proc/${child.pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${child.pid}/fd/${fd}`);
      } catch {
        return '';
      }
    });
    expect(open).toContain(certificates);
    expect(open).not.toContain(lock);
  },
);
