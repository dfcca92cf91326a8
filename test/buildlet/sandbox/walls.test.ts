// What a command in a sandbox can read, write and reach: each cell of the table in docs/SECURITY.md for the local backend.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Confinement } from '../../../src/buildlet/confinement.ts';
import { resetBuildlet } from '../../../src/client/reset.ts';
import { hasBubblewrap, sandboxed } from '../../helpers/bubblewrap.ts';
import { clientOf, startBuildlet, type TestBuildlet } from '../../helpers/buildlet.ts';
import { Collector } from '../../helpers/collect.ts';
import { processesWith, until } from '../../helpers/processes.ts';
import { workshop } from '../../helpers/programs.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import { hasRoot, hasTool } from '../../helpers/tools.ts';

const start = (changes?: Partial<Confinement>) =>
  startBuildlet({ confinement: sandboxed(changes), password: 's3cret' });

async function shell(buildlet: TestBuildlet, script: string, extraEnv: string[] = []) {
  const output = new Collector();
  const { exitCode } = await clientOf(buildlet, 's3cret').exec('/bin/sh', {
    systemLevel: true,
    output,
    extraEnv,
    args: ['-c', script],
  });
  return { exitCode, text: output.text };
}

const words = (text: string): string[] => text.split(/\s+/).filter(Boolean).sort();

describe.skipIf(!hasBubblewrap)('a command in a sandbox reads', () => {
  it('nothing of the home directory of the user who started it, nor of any other', async () => {
    const buildlet = await start();
    const file = join(homedir(), `.gomote-test-${randomBytes(4).toString('hex')}`);
    writeFileSync(file, 'mine');
    onTestFinished(async () => (await import('node:fs')).rmSync(file));
    const { text } = await shell(buildlet, `cat ${file} || echo gone; echo $HOME; ls -A $HOME`);
    expect(text).toMatch(/No such file[^\n]*\ngone\n\/home\/build\n$/);
  });

  it('nothing beside its own work directory: no other buildlet, no password, no log', async () => {
    const [buildlet, other] = [await start(), await start()];
    writeFileSync(join(other.workDir, 'secret'), 'mine');
    const { text } = await shell(
      buildlet,
      `cat ${join(other.workDir, 'secret')}; ls ${tmpdir()}; ls -A ${join(buildlet.workDir, '..')}`,
    );
    expect(text).toMatch(/No such file/);
    expect(text).not.toContain('gomote-test-');
    expect(text).not.toContain('logs');
  });

  it('no secret of its buildlet, in any process, argument, variable or descriptor', async () => {
    const buildlet = await start();
    const { text } = await shell(
      buildlet,
      'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; ls -l /proc/[0-9]*/fd; mount; env',
    );
    expect(text).toContain('sandbox-host');
    expect(text).not.toContain('s3cret');
    expect(text).not.toContain('VITEST');
    // No descriptor leads out of the sandbox.
    expect(text).not.toMatch(/-> \/(?!dev\/(null|tty|pts)|proc\/\d+\/fd|run\/gomote\/pipes\/)/);
  });

  it.skipIf(!hasTool('python3'))(
    'no key of the session of the user who started it, nor of any other keyring',
    async () => {
      const buildlet = await start();
      const [add, request, control] = process.arch === 'x64' ? [248, 249, 250] : [217, 218, 219];
      const script = `
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for call in (${add}, b"user", b"gomote-test", b"x", 1, -2), (${request}, b"user", b"gomote-test", 0, 0), (${control}, 0, -3, 0):
  print("ok" if libc.syscall(*call) > 0 else errno.errorcode[ctypes.get_errno()])`;
      const { text } = await shell(buildlet, `python3 -c '${script}'`);
      expect(text).toBe('ENOSYS\nENOSYS\nENOSYS\n');
    },
  );

  it('of the system only what every user can read, also as root', async () => {
    const buildlet = await start();
    const hidden = '/etc/shadow /etc/gshadow /root /var/log /var/lib /srv /boot /media /mnt';
    const read = 'for f in HIDDEN; do cat $f/* $f; ls $f/; done 2>/dev/null'.replace(
      'HIDDEN',
      hidden,
    );
    const { text } = await shell(buildlet, `head -1 /etc/passwd; ls /; ${read}`);
    const [first, ...others] = text.split('\n');
    expect(first).toBe(readFileSync('/etc/passwd', 'utf8').split('\n')[0]);
    const system = ['bin', 'dev', 'etc', 'home', 'proc', 'run', 'sys', 'tmp', 'usr', 'var'];
    expect(words(others.join('\n'))).toEqual(expect.arrayContaining(system));
    const known = [...system, 'lib', 'lib32', 'lib64', 'libx32', 'opt', 'sbin', 'nix', 'gnu'];
    // A work directory below one of those makes its empty parents.
    expect(words(others.join('\n')).filter((name) => !known.includes(name))).toEqual([]);
  });

  it.runIf(hasRoot())('nothing that the kernel shows to root alone', async () => {
    const script = `for f in /proc/[a-z]*; do
  [ -f $f ] && stat -c %a $f | grep -q '00$' && head -c 1 $f
done 2>/dev/null; find /sys/firmware -mindepth 1`;
    expect((await shell(await start(), script)).text).toBe('');
    // As debugfs is mounted, which only root can enter.
    const { run } = workshop();
    const secret = '/sys/kernel/debug/secret';
    const said = await run(
      ...(['unshare', '--mount', 'sh', '-c'] as const),
      `mount -t tmpfs -o mode=700 x /sys/kernel/debug && echo x >${secret} && cat ${secret} &&
name=$(gomote create --isolation bubblewrap local) && gomote run "$name" cat ${secret}; gomote destroy "$name"`,
    );
    expect(said.stdout.toString()).toBe('x\n');
    expect(said.stderr).toContain(`${secret}: No such file`);
  });

  it('paths that were named for it, which it cannot write', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'file'), 'shown');
    const buildlet = await start({ readOnly: [directory] });
    const { text } = await shell(buildlet, `cat ${directory}/file; touch ${directory}/x`);
    expect(text).toMatch(/^shown.*Read-only file system/s);
    expect(existsSync(join(directory, 'x'))).toBe(false);
  });
});

describe.skipIf(!hasBubblewrap)('a command in a sandbox writes', () => {
  it.each([
    '/x',
    '/usr/x',
    '/etc/x',
    '/etc/ssl/x',
    '/sys/x',
    '/sys/kernel/mm/transparent_hugepage/enabled',
    '/sys/fs/cgroup/x',
    '/proc/sys/kernel/hostname',
    '/proc/sys/vm/swappiness',
    '/home/x',
    '/run/gomote/x',
    '/run/gomote/pipes/x',
    '/run/gomote/dist/sandbox-host.cjs',
    '/var/x',
  ])('not to %s', async (path) => {
    const { exitCode, text } = await shell(await start(), `echo x > ${path}`);
    expect(text).toMatch(/Read-only|Permission denied|No such file|cannot create/);
    expect(exitCode).not.toBe(0);
  });

  it('to its work directory, its HOME and its own /tmp, which the next command has again', async () => {
    const buildlet = await start();
    const places = '. ~ /tmp /var/tmp $TMPDIR';
    expect(
      await shell(buildlet, `for d in ${places}; do echo $d > $d/mine || exit 1; done`),
    ).toEqual({
      exitCode: 0,
      text: '',
    });
    expect(await shell(buildlet, 'cat mine ~/mine')).toEqual({
      exitCode: 0,
      text: '.\n/home/build\n',
    });
    expect(readFileSync(join(buildlet.workDir, 'mine'), 'utf8')).toBe('.\n');
    expect(existsSync(join(tmpdir(), 'mine'))).toBe(false);
    await resetBuildlet(clientOf(buildlet, 's3cret'));
    expect((await shell(buildlet, 'ls -d mine ~/* /tmp/mine 2>&1')).text).not.toMatch(/^\S*mine$/m);
  });

  it('to paths that were named for it', async () => {
    const directory = temporaryDirectory();
    const buildlet = await start({ writable: [directory] });
    expect((await shell(buildlet, `echo kept > ${directory}/file`)).exitCode).toBe(0);
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('kept\n');
  });
});

describe.skipIf(!hasBubblewrap)('a command in a sandbox reaches', () => {
  it('the processes of its buildlet only, and cannot end the buildlet', async () => {
    const buildlet = await start();
    const { text } = await shell(buildlet, 'ls -d /proc/[0-9]* | wc -l; kill -9 -1; echo still');
    expect(Number(text.split('\n')[0])).toBeLessThan(10);
    expect(await shell(buildlet, 'echo again')).toEqual({ exitCode: 0, text: 'again\n' });
  });

  it('no right over the kernel, and gets none by a set-user-ID program', async () => {
    const { text } = await shell(
      await start(),
      'grep -E "^(Cap(Eff|Bnd|Amb)|NoNewPrivs)" /proc/self/status; mount -t tmpfs x /tmp || echo refused; chroot / true || echo refused',
    );
    expect(text).toMatch(/CapEff:\s*0+\nCapBnd:\s*0+\nCapAmb:\s*0+\nNoNewPrivs:\s*1/);
    expect(text.match(/refused/g)).toHaveLength(2);
  });

  it('no network without one: only its own loopback, and nothing of the machine', async () => {
    const server = createServer((socket) => socket.end('outside'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const ask = `${process.execPath} -e "
      require('net').connect(${port}, '127.0.0.1').on('data', (d) => console.log(String(d))).on('error', (e) => console.log(e.code))"`;
    const own = `${process.execPath} -e "
      const s = require('net').createServer((c) => c.end('inside')).listen(${port}, '127.0.0.1', () =>
        require('net').connect(${port}, '127.0.0.1').on('data', (d) => { console.log(String(d)); s.close(); }))"`;
    const open = await start({ readOnly: [process.execPath] });
    expect((await shell(open, ask)).text).toBe('outside\n');
    const closed = await start({ readOnly: [process.execPath], network: 'none' });
    expect((await shell(closed, ask)).text).toBe('ECONNREFUSED\n');
    expect((await shell(closed, own)).text).toBe('inside\n');
    // The same for one command alone that asks for it, as Go's builders do.
    for (const value of ['1', 'true', 'T']) {
      const closedOnce = await shell(open, ask, [`GO_DISABLE_OUTBOUND_NETWORK=${value}`]);
      expect(closedOnce.text).toBe('ECONNREFUSED\n');
    }
    const asked = await shell(open, ask, ['GO_DISABLE_OUTBOUND_NETWORK=false']);
    expect(asked.text).toBe('outside\n');
  });
});

describe.skipIf(!hasBubblewrap)('a command in a sandbox leaves behind', () => {
  /** It has left its process group, its session, its mark and all of its output. */
  const hide = (mark: string) =>
    `setsid env -i sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' ${mark} </dev/null >/dev/null 2>&1 &`;

  it.each([
    ['a reset', (buildlet: TestBuildlet) => resetBuildlet(clientOf(buildlet, 's3cret'))],
    ['the end of its buildlet', (buildlet: TestBuildlet) => buildlet.close()],
  ])('no process after %s, however well it hides', async (_what, end) => {
    const buildlet = await start();
    const mark = randomBytes(8).toString('hex');
    await shell(buildlet, hide(mark));
    await until(() => processesWith(mark).length > 0);
    // Between commands it lives on, as a build daemon is meant to.
    expect((await shell(buildlet, `grep -l ${mark} /proc/[0-9]*/cmdline | head -1`)).text).toMatch(
      /proc/,
    );
    await end(buildlet);
    expect(processesWith(mark)).toEqual([]);
  });
});

describe.skipIf(!hasBubblewrap)('a sandbox', () => {
  it('that cannot be made is refused with what is missing and what to do', async () => {
    const empty = temporaryDirectory();
    mkdirSync(join(empty, 'bin'));
    const path = process.env.PATH;
    process.env.PATH = join(empty, 'bin');
    onTestFinished(() => {
      process.env.PATH = path;
    });
    await expect(start()).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: 'commands cannot be confined: bwrap is not installed',
      hint: expect.stringContaining('isolation = "none"'),
    });
  });
});
