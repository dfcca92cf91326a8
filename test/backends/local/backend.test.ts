import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Instance } from '../../../src/backends/backend.ts';
import { LocalBackend } from '../../../src/backends/local/backend.ts';
import { builtInCatalogue } from '../../../src/builders.ts';
import { processesWith, until } from '../../helpers/processes.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const [builder] = builtInCatalogue.builders;
const [host] = builtInCatalogue.hosts;
const { signal } = new AbortController();

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

function openBackend(
  runtime: string = temporaryDirectory(),
  variables: NodeJS.ProcessEnv = { XDG_STATE_HOME: temporaryDirectory() },
) {
  const environment = { ...process.env, XDG_RUNTIME_DIR: runtime, ...variables };
  const backend = new LocalBackend({ kind: 'local', name: 'local', environment }, undefined);
  onTestFinished(async () => {
    for (const { name } of await backend.list({ signal })) await backend.destroy(name, { signal });
  });
  const root = join(runtime, 'gomote');
  const record = (name: string) =>
    JSON.parse(readFileSync(join(root, name, 'record.json'), 'utf8'));
  return {
    backend,
    environment,
    root,
    record,
    create: () => backend.create(builder!, { user: 'me', host: host!, signal }),
  };
}

/** Two users' buildlets in one place, seen by each of them and by whoever names no user. */
async function openForTwo() {
  const environment = {
    ...{
      ...process.env,
      XDG_RUNTIME_DIR: temporaryDirectory(),
      XDG_STATE_HOME: temporaryDirectory(),
    },
  };
  const open = (user?: string) =>
    new LocalBackend({ kind: 'local', name: 'local', environment, user }, undefined);
  const all = open();
  onTestFinished(async () => {
    for (const { name } of await all.list({ signal })) await all.destroy(name, { signal });
  });
  for (const user of ['alice', 'alice-local', 'bob']) {
    await all.create(builder!, { user, host: host!, signal });
  }
  return {
    all,
    alice: open('alice'),
    bob: open('bob'),
    root: join(environment.XDG_RUNTIME_DIR, 'gomote'),
  };
}

const names = (instances: Instance[]) => instances.map((instance) => instance.name);

const tooLong = `/${'x'.repeat(300)}`;

describe('the local backend', () => {
  it('makes a buildlet in a directory of its owner alone, and leaves nothing of it', async () => {
    const { backend, root, record, create } = openBackend();
    const instance = await create();
    expect(instance).toMatchObject({
      name: 'me-local-0',
      builderType: 'local',
      hostType: 'host-local',
      dead: undefined,
    });
    expect(instance.expires!.getTime() - Date.now()).toBeGreaterThan(29 * 60_000);
    const { socket, workDir, pid } = record('me-local-0');
    const mode = (path: string) => statSync(path).mode & 0o777;
    expect([root, join(root, 'me-local-0'), workDir].map(mode)).toEqual([0o700, 0o700, 0o700]);
    expect([join(root, 'me-local-0', 'password'), socket].map(mode)).toEqual([0o600, 0o600]);
    const password = readFileSync(join(root, 'me-local-0', 'password'), 'utf8').trim();
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain(password);
    await backend.destroy('me-local-0', { signal });
    expect(readdirSync(root)).toEqual([]);
    expect(existsSync(workDir)).toBe(false);
    expect(processesWith(socket)).toEqual([]);
  });

  it('gives ten buildlets that are created at once ten names', async () => {
    const { backend, create } = openBackend();
    const made = await Promise.all(Array.from({ length: 10 }, create));
    const expected = Array.from({ length: 10 }, (_, i) => `me-local-${i}`);
    expect(names(made).sort()).toEqual(expected);
    expect(names(await backend.list({ signal }))).toEqual(expected);
    await Promise.all(expected.map((name) => backend.destroy(name, { signal })));
    expect(await backend.list({ signal })).toEqual([]);
  });

  it('reap removes a buildlet that has died, and no other', async () => {
    const { backend, root, record, create } = openBackend();
    await create();
    await create();
    const { pid, workDir } = record('me-local-0');
    process.kill(pid, 'SIGKILL');
    await until(() => processesWith(join(root, 'me-local-0')).length === 0);
    expect(await backend.reap()).toEqual(['buildlet me-local-0: it has died']);
    expect(names(await backend.list({ signal }))).toEqual(['me-local-1']);
    expect(existsSync(workDir)).toBe(false);
    expect(await backend.reap()).toEqual([]);
  });

  it('never gives a name again, in any process that shares its directories', async () => {
    const { backend, environment, create } = openBackend();
    await create();
    await create();
    await backend.destroy('me-local-0', { signal });
    expect((await create()).name).toBe('me-local-2');
    await backend.destroy('me-local-2', { signal });
    const other = new LocalBackend({ kind: 'local', name: 'local', environment }, undefined);
    expect((await other.create(builder!, { user: 'me', host: host!, signal })).name).toBe(
      'me-local-3',
    );
    expect((await other.create(builder!, { user: 'you', host: host!, signal })).name).toBe(
      'you-local-0',
    );
  });

  it.each(['../me', 'a/b', 'a\nb', 'x'.repeat(250)])(
    'makes no buildlet of the user %j',
    async (user) => {
      const { backend, root } = openBackend();
      const creating = backend.create(builder!, { user, host: host!, signal });
      await expect(creating).rejects.toMatchObject({ code: 'ERR_USAGE' });
      expect(readdirSync(root)).toEqual([]);
    },
  );

  it('notices a buildlet that died, reports it, and cleans up after it', async () => {
    const { backend, root, record, create } = openBackend();
    await create();
    const { pid, workDir } = record('me-local-0');
    const client = await backend.connect('me-local-0');
    const mark = 'gomote-test-left-by-a-dead-buildlet';
    const running = client.exec('/bin/sh', {
      systemLevel: true,
      args: ['-c', 'while :; do sleep 1; done', mark],
    });
    const outcome = running.catch((error) => error);
    await until(() => processesWith(mark).length > 0);
    process.kill(pid, 'SIGKILL');
    const error = await outcome;
    expect(error.code).toBe('ERR_LOST');
    expect(await backend.explain('me-local-0', error)).toMatchObject({
      code: 'ERR_BUILDLET_DIED',
      message: 'the buildlet "me-local-0" has died',
      hint: expect.stringContaining('gomote destroy me-local-0'),
    });
    await client.disconnect();
    expect(await backend.list({ signal })).toMatchObject([{ name: 'me-local-0', dead: 'died' }]);
    await backend.destroy('me-local-0', { signal });
    expect(readdirSync(root)).toEqual([]);
    expect(existsSync(workDir)).toBe(false);
    expect(processesWith(mark)).toEqual([]);
  });

  it('works where the path of a socket would be too long', async () => {
    const deep = join(temporaryDirectory(), 'd'.repeat(120));
    mkdirSync(deep);
    const { backend, record, create } = openBackend(deep);
    await create();
    const { socket } = record('me-local-0');
    const client = await backend.connect('me-local-0');
    expect(await client.status()).toMatchObject({ version: 11 });
    await client.disconnect();
    await backend.destroy('me-local-0', { signal });
    expect(existsSync(join(socket, '..'))).toBe(false);
  });

  it('leaves nothing when a creation is cancelled', async () => {
    const { backend, root } = openBackend();
    for (const delayMs of [0, 5, 20, 40, 60, 80]) {
      const controller = new AbortController();
      const creating = backend.create(builder!, {
        user: 'me',
        host: host!,
        signal: controller.signal,
      });
      setTimeout(() => controller.abort(new Error('cancelled')), delayMs);
      // A creation that was quicker than its cancellation stands.
      const made = await creating.catch(() => undefined);
      if (made !== undefined) await backend.destroy(made.name, { signal });
      expect(readdirSync(root)).toEqual([]);
      expect(processesWith(root)).toEqual([]);
    }
  });

  it('does not use a directory that others can enter', async () => {
    const runtime = temporaryDirectory();
    mkdirSync(join(runtime, 'gomote'), { mode: 0o755 });
    const { create } = openBackend(runtime);
    await expect(create()).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      hint: expect.stringContaining('chmod 700'),
    });
  });

  it.runIf(isRoot)('does not believe a record in a directory of another user', async () => {
    const { backend, root, create } = openBackend();
    await create();
    const directory = join(root, 'me-local-0');
    for (const path of [directory, join(directory, 'record.json'), root]) {
      chownSync(path, nobody, nobody);
      const refusal = { code: 'ERR_CONFIG', message: expect.stringContaining('another user') };
      await expect(backend.connect('me-local-0')).rejects.toMatchObject(refusal);
      await expect(backend.destroy('me-local-0', { signal })).rejects.toMatchObject(refusal);
      chownSync(path, 0, 0);
    }
    chmodSync(directory, 0o770);
    await expect(backend.connect('me-local-0')).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    chmodSync(directory, 0o700);
  });

  it('lists the others beside a buildlet whose record is damaged or that others can open, and beside foreign files', async () => {
    const { backend, root, create } = openBackend();
    await create();
    const damaged = join(root, 'me-local-9');
    mkdirSync(damaged, { mode: 0o700 });
    writeFileSync(join(damaged, 'record.json'), '{');
    const open = join(root, 'me-local-8');
    mkdirSync(open);
    chmodSync(open, 0o755);
    // Neither is a buildlet.
    writeFileSync(join(root, 'file'), '');
    symlinkSync('/', join(root, 'link'));
    expect(await backend.list({ signal })).toMatchObject([
      { name: 'me-local-0', dead: undefined },
      { name: 'me-local-8', dead: 'its record cannot be read' },
      { name: 'me-local-9', dead: 'its record cannot be read' },
    ]);
    for (const path of [damaged, open]) rmSync(path, { recursive: true });
  });

  it('keeps the work directory and all temporary files among the state of the user', async () => {
    const state = temporaryDirectory();
    const temporary = temporaryDirectory();
    const { record, backend, create } = openBackend(undefined, {
      XDG_STATE_HOME: state,
      TMPDIR: temporary,
    });
    await create();
    expect(record('me-local-0').workDir.startsWith(join(state, 'gomote'))).toBe(true);
    expect(readdirSync(temporary)).toEqual([]);
    const paths = readdirSync(state, { recursive: true, withFileTypes: true });
    const open = paths.filter(
      (entry) =>
        entry.isDirectory() &&
        (statSync(join(entry.parentPath, entry.name)).mode & 0o777) !== 0o700,
    );
    expect(open).toEqual([]);
    await backend.destroy('me-local-0', { signal });
    const left = readdirSync(state, { recursive: true, encoding: 'utf8' });
    expect(left.filter((name) => name.includes('gomote-me-local-0'))).toEqual([]);
  });

  it.each<[NodeJS.ProcessEnv, string]>([
    [{ HOME: '', XDG_STATE_HOME: '' }, 'HOME is empty'],
    [{ HOME: 'here', XDG_STATE_HOME: '' }, 'HOME "here" is not an absolute path'],
    [{ HOME: '/nosuch', XDG_STATE_HOME: '' }, 'HOME /nosuch does not exist'],
    [{ XDG_STATE_HOME: 'here' }, 'XDG_STATE_HOME "here" is not an absolute path'],
    [{ XDG_RUNTIME_DIR: 'here' }, 'XDG_RUNTIME_DIR "here" is not an absolute path'],
    [{ XDG_RUNTIME_DIR: '/nosuch' }, 'XDG_RUNTIME_DIR /nosuch does not exist'],
    [{ TMPDIR: 'here' }, 'TMPDIR "here" is not an absolute path'],
    [{ TMPDIR: '/nosuch' }, 'TMPDIR /nosuch does not exist'],
    [{ TMPDIR: '/etc/passwd' }, 'TMPDIR /etc/passwd is not a directory'],
    // The system fails to look, as it does in a directory that another user has closed.
    ...['HOME', 'XDG_RUNTIME_DIR', 'TMPDIR'].map((variable): [NodeJS.ProcessEnv, string] => [
      { XDG_STATE_HOME: '', [variable]: tooLong },
      `${variable} ${tooLong} cannot be used: file name too long`,
    ]),
  ])('refuses to make a buildlet with %j', async (variables, message) => {
    const runtime = temporaryDirectory();
    const before = readdirSync('.');
    const environment = { ...process.env, XDG_RUNTIME_DIR: runtime, ...variables };
    const open = () => new LocalBackend({ kind: 'local', name: 'local', environment }, undefined);
    const creating = async () => await open().create(builder!, { user: 'me', host: host!, signal });
    await expect(creating()).rejects.toMatchObject({ code: 'ERR_CONFIG', message });
    expect(readdirSync(runtime)).toEqual([]);
    expect(readdirSync('.')).toEqual(before);
  });

  it.each(['no-such-0', '../x', 'a/b', ''])(
    'reports that there is no buildlet %j',
    async (name) => {
      const { backend } = openBackend();
      await expect(backend.connect(name)).rejects.toMatchObject({ code: 'ERR_UNKNOWN_BUILDLET' });
      await expect(backend.destroy(name, { signal })).rejects.toMatchObject({
        code: 'ERR_UNKNOWN_BUILDLET',
      });
    },
  );

  it('reports a record that cannot be read', async () => {
    const { backend, root } = openBackend();
    const directory = join(root, 'me-local-7');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const good = {
      name: 'me-local-7',
      builderType: 'local',
      hostType: 'host-local',
      created: '2026-01-01T00:00:00Z',
      socket: join(directory, 'socket'),
      workDir: '/tmp/gomote-me-local-7-abc',
    };
    // What a record names is removed with its buildlet: one that names anything else must not be believed.
    const bad = [
      '{',
      'null',
      '[]',
      ...[
        { socket: '/nowhere' },
        { workDir: '/home/me' },
        { workDir: 'x' },
        { name: 'other' },
        { pid: 'x' },
      ].map((change) => JSON.stringify({ ...good, ...change })),
    ];
    for (const text of bad) {
      writeFileSync(join(directory, 'record.json'), text);
      await expect(backend.connect('me-local-7')).rejects.toMatchObject({ code: 'ERR_LOCAL_FILE' });
      await expect(backend.destroy('me-local-7', { signal })).rejects.toMatchObject({
        code: 'ERR_LOCAL_FILE',
      });
    }
    writeFileSync(join(directory, 'record.json'), JSON.stringify(good));
    expect(await backend.list({ signal })).toMatchObject([{ dead: 'died' }]);
  });
});

describe('the local backend of a user', () => {
  it('lists, reaches and destroys that user’s buildlets alone', async () => {
    const { all, alice, bob } = await openForTwo();
    const [own] = await alice.list({ signal });
    expect(own).toMatchObject({ name: 'alice-local-0', owner: 'alice' });
    expect(names(await alice.list({ signal }))).toEqual(['alice-local-0']);
    expect(names(await bob.list({ signal }))).toEqual(['bob-local-0']);
    for (const name of ['bob-local-0', 'alice-local-local-0']) {
      for (const call of [() => alice.connect(name), () => alice.destroy(name, { signal })]) {
        await expect(call()).rejects.toMatchObject({
          code: 'ERR_NOT_OWNER',
          hint: expect.stringContaining('give --user'),
        });
      }
    }
    for (const { name } of await alice.list({ signal })) await alice.destroy(name, { signal });
    expect(names(await all.list({ signal }))).toEqual(['alice-local-local-0', 'bob-local-0']);
  });

  it('takes the owner from the name when a record of an earlier version has none', async () => {
    const { alice, bob, root } = await openForTwo();
    for (const name of ['alice-local-0', 'bob-local-0']) {
      const path = join(root, name, 'record.json');
      const { owner: _, ...record } = JSON.parse(readFileSync(path, 'utf8'));
      writeFileSync(path, JSON.stringify(record), { mode: 0o600 });
    }
    expect(names(await alice.list({ signal }))).toEqual(['alice-local-0']);
    expect(names(await bob.list({ signal }))).toEqual(['bob-local-0']);
  });
});
