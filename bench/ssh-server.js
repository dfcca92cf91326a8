// Debian's openssh-server on a loopback port of its own, to compare with; ended when `work` is done.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './paired.js';

/**
 * Writes what sshd needs to serve the port: `sshd.conf`, with the keys `host` and `user`. `at` names a file.
 *
 * @param more More lines of the configuration.
 */
export function writeServerFiles(at, port, more = []) {
  for (const name of ['host', 'user']) {
    const { status } = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
    if (status !== 0) throw new Error(`ssh-keygen: ${status}`);
  }
  copyFileSync(at('user.pub'), at('authorized'));
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('authorized')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    ...more,
  ];
  writeFileSync(at('sshd.conf'), `${lines.join('\n')}\n`);
  mkdirSync('/run/sshd', { recursive: true });
}

/** Calls `work` with the words of a command line that runs what follows them over ssh. */
export async function withSsh(work) {
  const directory = mkdtempSync('/dev/shm/gomote-bench-ssh-');
  const at = (name) => join(directory, name);
  const port = await freePort();
  writeServerFiles(at, port);
  const server = spawn('/usr/sbin/sshd', ['-D', '-f', at('sshd.conf')], { stdio: 'ignore' });
  try {
    while (!(await answers(port))) await sleep(20);
    const options = [
      ['StrictHostKeyChecking', 'no'],
      ['UserKnownHostsFile', '/dev/null'],
      ['LogLevel', 'ERROR'],
    ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const login = ['-F', 'none', '-p', String(port), '-i', at('user'), ...options, '127.0.0.1'];
    return await work(['ssh', ...login]);
  } finally {
    server.kill();
    await once(server, 'exit');
    rmSync(directory, { recursive: true, force: true });
  }
}

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => undefined).once('data', () => socket.destroy());
  });
