// What the starter of a buildlet has open, and the secrets it hands over, are nothing that commands can reach.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { buildletProgram, ending, workshop } from '../helpers/programs.ts';

const hasProc = existsSync('/proc/self/fdinfo');
const descriptors = [3, 9, 11, 15, 16, 63, 200, 1000];

describe.runIf(hasProc)('the descriptors of the starter', () => {
  it('are not held by a local buildlet nor by its commands', async () => {
    const shop = workshop();
    const locks = descriptors.map((fd) => `exec ${fd}>lock${fd}; flock ${fd}`).join('; ');
    const created = await shop.run('bash', '-c', `${locks}; gomote create local`);
    expect(created).toMatchObject({ code: 0, stderr: '' });
    const name = created.stdout.toString().trim();
    for (const fd of descriptors) {
      const { code } = await shop.run('flock', '-n', `lock${fd}`, 'true');
      expect({ fd, code }).toEqual({ fd, code: 0 });
    }
    const listed = await shop.gomote('run', name, 'sh', '-c', 'ls /proc/self/fd');
    expect(listed.stdout.toString().split('\n').slice(0, 3)).toEqual(['0', '1', '2']);
    expect(listed.stdout.toString().trim().split('\n').length).toBeLessThanOrEqual(4);
  });

  it.each([5, 12, 300])('end for others while the buildlet lives: a pipe at %i', async (fd) => {
    const shop = workshop();
    const script = `{ gomote create local ${fd}>&1 >name; } | cat; gomote list`;
    const { stdout } = await shop.run('bash', '-c', script);
    expect(stdout.toString()).toContain('me-local-0');
  });

  it.each(['buildlet', process.execPath])(
    'are not held by a buildlet started with %s',
    async (command) => {
      const shop = workshop();
      const locks = descriptors.map((fd) => `exec ${fd}>lock${fd}; flock ${fd}`).join('; ');
      const program = command === 'buildlet' ? 'buildlet' : `"${command}" "${buildletProgram}"`;
      const child = shop.start('bash', ['-c', `${locks}; exec ${program}`]);
      onTestFinished(() => void child.kill('SIGKILL'));
      const ended = ending(child);
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      for (const fd of descriptors) {
        expect({ fd, code: (await shop.run('flock', '-n', `lock${fd}`, 'true')).code }).toEqual({
          fd,
          code: 0,
        });
      }
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ code: 0 });
    },
  );
});

describe.runIf(hasProc)('the secrets of a buildlet', () => {
  it.each(['buildlet', process.execPath])(
    'are not in the environment or arguments of the process that %s starts',
    async (command) => {
      const shop = workshop();
      const env = { ...shop.environment, META_password: 'first-secret', META_PASSWORD: 'second' };
      const args = command === 'buildlet' ? [] : [buildletProgram];
      const socket = join(shop.directory, 'socket');
      const child = shop.start(command, [...args, '--listen', `unix:${socket}`], { env });
      onTestFinished(() => void child.kill('SIGKILL'));
      const ended = ending(child);
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      const seen = ['environ', 'cmdline'].map((name) =>
        readFileSync(`/proc/${child.pid}/${name}`, 'latin1'),
      );
      expect(seen.join('\n')).not.toMatch(/META_|first-secret|second/);
      expect(seen[0]).toContain('USER=me');
      const curl = (...more: string[]) =>
        spawnSync('curl', ['-s', '--unix-socket', socket, ...more, 'http://b/status']).stdout;
      expect(curl('-u', ':first-secret').toString()).toContain('ersion');
      child.kill('SIGTERM');
      expect((await ended).stderr).not.toContain('warning');
    },
  );
});

it('a process with other variables before the mark is found when its command ends', async () => {
  const shop = workshop();
  const name = await shop.create();
  const environ = join(shop.directory, 'decoy.py');
  // The same name twice, as only execve can pass it: the first is no mark.
  writeFileSync(
    environ,
    `import ctypes, os
mark = os.environb[b'GOMOTE_COMMAND']
pairs = [b'X=GOMOTE_COMMAND=' + mark, b'GOMOTE_COMMAND=decoy', b'GOMOTE_COMMAND=' + mark, b'MARK=decoy-test', None]
array = (ctypes.c_char_p * len(pairs))(*pairs)
argv = (ctypes.c_char_p * 3)(b'sleep', b'4711', None)
if os.fork() == 0:
    os.setsid()
    ctypes.CDLL(None).execve(b'/bin/sleep', argv, array)
`,
  );
  await shop.gomote('put', name, environ, 'decoy.py');
  const left = () =>
    readdirSync('/proc').filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes('MARK=decoy-test');
      } catch {
        return false;
      }
    });
  await shop.gomote('run', name, 'sh', '-c', 'python3 decoy.py >/dev/null 2>&1 </dev/null');
  // It has left the process group: only the mark leads to it.
  expect(left().length).toBeLessThanOrEqual(1);
  await shop.gomote('destroy', name);
  expect(left()).toEqual([]);
});
