// Users of single buildlets: what they leave behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { claimsDirectory, removeVoidClaims } from '../../../src/backends/local/claimed-ids.ts';
import { idOwner } from '../../../src/backends/local/foreign-ids.ts';
import {
  clearStrays,
  clearUser,
  requireOwnUsers,
  takeId,
} from '../../../src/backends/local/own-users.ts';
import { writeRecord } from '../../../src/backends/local/record.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import { hasRoot, hasTool } from '../../helpers/tools.ts';

/** Ids that nobody else on this machine has, apart for each test file that is run at once. */
const first = 1_700_000_000 + (process.pid % 1_000_000) * 100;
let next = first;

const isAble = hasRoot() && hasTool('python3');

/** Runs a script that is root at first; resolves when it has printed a line. */
async function python(script: string): Promise<ChildProcess> {
  const child = spawn('python3', ['-c', `import os, signal, time\n${script}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

const become = (uid: number) =>
  `os.setgroups([]); os.setresgid(*[${uid}] * 3); os.setresuid(*[${uid}] * 3)`;
const stay = 'print("ready", flush=True)\nwhile True: time.sleep(1)';

describe.runIf(isAble)('clearing a user ends', () => {
  it.each([
    [
      'a process whose first thread has ended',
      (uid: number) =>
        `import ctypes, threading
${become(uid)}
threading.Thread(target=time.sleep, args=(600,)).start()
print("ready", flush=True)
ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)`,
    ],
    [
      'a process of another user that has taken its rights',
      (uid: number) => `os.setresuid(${uid + 1}, ${uid}, ${uid + 1})\n${stay}`,
    ],
    [
      'a process of another user that can take its rights',
      (uid: number) => `os.setresuid(${uid + 1}, ${uid + 1}, ${uid})\n${stay}`,
    ],
    [
      'a process of another user in its group',
      (uid: number) =>
        `os.setresgid(${uid + 1}, ${uid}, ${uid + 1}); os.setresuid(*[${uid + 1}] * 3)\n${stay}`,
    ],
    [
      'processes that stop all others of the user',
      (uid: number) =>
        `${become(uid)}
print("ready", flush=True)
while True:
  try: os.kill(-1, signal.SIGSTOP)
  except ProcessLookupError: pass`,
    ],
  ])('%s', async (_what, script) => {
    const uid = next;
    next += 2;
    const child = await python(script(uid));
    const ended = once(child, 'exit');
    await clearUser(uid);
    expect(await ended).toEqual([null, 'SIGKILL']);
  });
});

describe.runIf(isAble)('clearing a user removes', () => {
  it.each(
    ['/tmp', '/var/tmp', '/dev/shm', '/dev/mqueue', '/run/lock'].filter((place) =>
      existsSync(place),
    ),
  )('its files in %s, and nothing that they lead to', async (place) => {
    const uid = next++;
    const outside = temporaryDirectory();
    chmodSync(outside, 0o711);
    const kept = join(outside, 'kept');
    mkdirSync(kept);
    writeFileSync(join(kept, 'file'), '');
    for (const path of [join(kept, 'file'), kept]) {
      chmodSync(path, 0);
      chownSync(path, uid, uid);
    }
    const link = join(place, `-left ${uid}`);
    onTestFinished(() => rmSync(link, { force: true }));
    const isQueue = place === '/dev/mqueue';
    if (isQueue) writeFileSync(link, '');
    else symlinkSync(kept, link);
    lchownSync(link, uid, uid);
    await clearUser(uid);
    expect(lstatSync(link, { throwIfNoEntry: false })).toBeUndefined();
    expect(statSync(kept).mode & 0o777).toBe(0);
    expect(statSync(join(kept, 'file')).mode & 0o777).toBe(0);
  });
});

describe.runIf(isAble)('ids of users are refused', () => {
  const usersOf = (firstId: number) => ({
    ...{ first: firstId, last: firstId + 3, directory: '/var/lib' },
  });

  it.each([
    ['passwd', 'account'],
    ['group', 'group'],
  ])('where a directory service has one in %s', async (database, what) => {
    const bin = temporaryDirectory();
    const entry = `far:x:${first + 2}:${first + 2}:Far Away:/:/bin/sh`;
    const script = `#!/bin/sh\n[ "$1" = ${database} ] && case " $* " in *" ${first + 2} "*) echo ${entry};; esac\nexit 2\n`;
    writeFileSync(join(bin, 'getent'), script, { mode: 0o755 });
    vi.stubEnv('PATH', `${bin}:${process.env.PATH}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(requireOwnUsers(usersOf(first))).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: `the user id ${first + 2} is the ${what} far's`,
    });
  });

  it.each([
    ['passwd', `me:x:${first + 3}:1::/:/bin/sh`, `${first + 3} is the account me's`],
    ['group', `us:x:${first}:me`, `${first} is the group us's`],
    ['subuid', `me:${first - 100}:102`, `${first} is for the containers of me`],
    ['subgid', `me:${first + 3}:65536`, `${first + 3} is for the containers of me`],
    ['subuid', `me:${first - 100}:100\nme:${first + 4}:9\n\n# none`, undefined],
  ])('where %s has %s', async (file, line, said) => {
    const etc = temporaryDirectory();
    writeFileSync(join(etc, file), `root:x:0:0\n${line}\n`);
    expect(await idOwner(usersOf(first), etc)).toBe(said);
  });
});

describe.runIf(isAble)('an id of a user', () => {
  /** The directory of a new machine of a coordinator. */
  function machineOf(coordinator: string, name = 'me-here-0'): string {
    const directory = join(coordinator, 'pool', name);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return directory;
  }

  it('is given to one buildlet only, whatever pool the buildlet belongs to', async () => {
    const pools = temporaryDirectory();
    const users = { first, last: first + 3, directory: '/nowhere' };
    const record = (pool: string, name: string, uid: number) => {
      const directory = join(pools, pool, name);
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      writeRecord(directory, {
        ...{ name, builderType: 'here', hostType: 'here', created: '', uid },
        ...{ socket: join(directory, 'socket'), workDir: `/nowhere/gomote-${name}-x/work` },
      });
    };
    record('gone', 'me-here-0', first);
    record('here', 'me-here-0', first + 1);
    await removeVoidClaims();
    const made = join(pools, 'here', 'me-here-1');
    mkdirSync(made, { mode: 0o700 });
    expect(takeId(made, users)).toBe(first + 2);
    rmSync(made, { recursive: true });
    await removeVoidClaims();
    expect(takeId(join(pools, 'new', 'me-here-0'), users)).toBe(first + 2);
    await removeVoidClaims();
  });

  it('is not given to machines of two coordinators at once', async () => {
    const [one, other] = [machineOf(temporaryDirectory()), machineOf(temporaryDirectory())];
    const users = { first: next, last: next + 1, directory: '/nowhere' };
    next += 2;
    await removeVoidClaims();
    expect([takeId(one, users), takeId(other, users)]).toEqual([users.first, users.last]);
    const third = machineOf(temporaryDirectory());
    expect(() => takeId(third, users)).toThrow('is in use');
    rmSync(one, { recursive: true });
    await removeVoidClaims();
    expect(takeId(third, users)).toBe(users.first);
    for (const directory of [other, third]) rmSync(directory, { recursive: true });
    await removeVoidClaims();
  });

  it("belongs to its machine until that is gone, and another coordinator does not end the machine's processes", async () => {
    const machine = machineOf(temporaryDirectory());
    const users = { first: next, last: next, directory: '/nowhere' };
    next++;
    await removeVoidClaims();
    const uid = takeId(machine, users);
    const child = await python(`${become(uid)}\n${stay}`);
    const ended = once(child, 'exit');
    const root = join(temporaryDirectory(), 'pool');
    mkdirSync(root);
    expect(await clearStrays(root, users)).toEqual([]);
    expect(child.exitCode ?? child.signalCode).toBeNull();
    rmSync(machine, { recursive: true });
    expect(await clearStrays(root, users)).toEqual([`user ${uid}: processes of no buildlet`]);
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(
      lstatSync(join(claimsDirectory, String(uid)), { throwIfNoEntry: false }),
    ).toBeUndefined();
  });
});
