// The snapshots that a coordinator keeps.
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { CoordinatorSnapshots } from '../../src/client/coordinator-snapshots.ts';
import { coordinatorPaths } from '../../src/protocol/endpoints.ts';
import { testCli } from '../helpers/cli.ts';
import { Collector } from '../helpers/collect.ts';
import {
  ask,
  startCoordinator,
  type TestCoordinator,
  type TestCoordinatorOptions,
  tokenOf,
} from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';

const users = { alice: {}, bob: {}, boss: { role: 'admin' } } as const;

const start = async (options: TestCoordinatorOptions = {}) =>
  await startCoordinator({ users, machines: 4, ...options });

async function snapshotsOf(
  coordinator: TestCoordinator,
  user: string,
): Promise<CoordinatorSnapshots> {
  const found = await coordinator.client(user).snapshots();
  if (found === undefined) throw new Error('it keeps none');
  return found;
}

/** A new buildlet of the user, with a file of so many bytes that do not compress. */
async function withFile(coordinator: TestCoordinator, user: string, script = 'echo kept >file') {
  const client = await coordinator.client(user).createBuildlet('linux');
  await shell(client, script);
  return client;
}

async function shell(client: BuildletClient, script: string): Promise<string> {
  const output = new Collector();
  const { state } = await client.exec('sh', {
    args: ['-c', script],
    systemLevel: true,
    dir: '.',
    output,
  });
  expect(state).toBe('ok');
  return output.text;
}

const inUse = { code: 'ERR_QUOTA', text: expect.stringContaining('in use') };

describe('a snapshot at a coordinator', () => {
  it('begins a buildlet of the same user, also after a restart, and goes when it is removed', async () => {
    const coordinator = await start();
    const first = await withFile(coordinator, 'alice');
    const snapshots = await snapshotsOf(coordinator, 'alice');
    const made = await snapshots.create(first.remoteName, 'warm', { exclude: ['out'] });
    expect(made).toMatchObject({ tag: 'warm', owner: 'alice', files: 1, kind: 'files' });
    expect(made).toMatchObject({ builderType: 'linux', excluded: ['out'], isShared: false });
    await coordinator.restart();
    const second = await coordinator.client('alice').createBuildlet('linux');
    const later = await snapshotsOf(coordinator, 'alice');
    await later.restore(second.remoteName, 'warm');
    expect(await shell(second, 'cat file')).toBe('kept\n');
    await later.remove('warm');
    expect(await later.list()).toEqual([]);
    await expect(later.restore(second.remoteName, 'warm')).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_SNAPSHOT',
    });
    expect(readdirSync(join(coordinator.directory, 'state/snapshots')).length).toBe(1);
  });

  it('does not exist for others until it is shared', async () => {
    const coordinator = await start();
    const client = await withFile(coordinator, 'alice');
    const own = await snapshotsOf(coordinator, 'alice');
    await own.create(client.remoteName, 'secret');
    const others = await snapshotsOf(coordinator, 'bob');
    const target = await coordinator.client('bob').createBuildlet('linux');
    expect(await others.list()).toEqual([]);
    expect(await others.list({ everybody: true })).toEqual([]);
    for (const tag of ['secret', 'secret@alice', 'other@alice', 'secret@nobody', 'secret@bob']) {
      const unknown = { code: 'ERR_UNKNOWN_SNAPSHOT', status: 404, text: `no snapshot "${tag}"` };
      await expect(others.restore(target.remoteName, tag)).rejects.toMatchObject(unknown);
      await expect(others.remove(tag)).rejects.toMatchObject(unknown);
      await expect(others.share(tag, true)).rejects.toMatchObject(unknown);
    }
    // Not into or of another user's buildlet either.
    await expect(own.restore(target.remoteName, 'secret')).rejects.toMatchObject({
      status: 401,
    });
    await expect(others.create(client.remoteName, 'mine')).rejects.toMatchObject({
      status: 401,
    });

    await own.share('secret', true);
    expect(await others.list()).toMatchObject([{ tag: 'secret@alice', isShared: true }]);
    await others.restore(target.remoteName, 'secret@alice');
    expect(await shell(target, 'cat file')).toBe('kept\n');
    for (const change of [others.remove('secret@alice'), others.share('secret@alice', false)]) {
      await expect(change).rejects.toMatchObject({ status: 401 });
    }
    await own.share('secret', false);
    expect(await others.list()).toEqual([]);
    const admin = await snapshotsOf(coordinator, 'boss');
    expect(await admin.list()).toEqual([]);
    expect(await admin.list({ everybody: true })).toMatchObject([{ tag: 'secret@alice' }]);
    await admin.remove('secret@alice');
    expect(await own.list()).toEqual([]);
  });

  it('is not inherited by a new user of the same name', async () => {
    const coordinator = await start();
    const client = await withFile(coordinator, 'alice');
    await (await snapshotsOf(coordinator, 'alice')).create(client.remoteName, 'warm', {
      isShared: true,
    });
    const path = join(coordinator.directory, 'state/users.json');
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('2026-11-24T', '2026-11-25T'));
    expect(await (await snapshotsOf(coordinator, 'alice')).list()).toEqual([]);
    expect(await (await snapshotsOf(coordinator, 'bob')).list()).toEqual([]);
    const boss = await snapshotsOf(coordinator, 'boss');
    expect(await boss.list({ everybody: true })).toEqual([]);
  });

  it.each([
    ...['', '.', '..', '../alice', 'a/b', '.new-1-0123456789abcdef', '-x', 'a@b@c', 'a@../x'],
    ...['a\0', 'a\n', 'ä', 'x'.repeat(101), '__proto__@constructor', '@alice', 'a@'],
  ])('cannot be called %j', async (tag) => {
    const coordinator = await start({ machines: 1 });
    const client = await coordinator.client('alice').createBuildlet('linux');
    const snapshots = await snapshotsOf(coordinator, 'alice');
    for (const work of [
      () => snapshots.create(client.remoteName, tag),
      () => snapshots.restore(client.remoteName, tag),
      () => snapshots.remove(tag),
      () => snapshots.share(tag, true),
    ]) {
      const refused = await work().catch((error: unknown) => error);
      expect(refused).toMatchObject({ status: expect.toSatisfy((n) => [400, 404].includes(n)) });
    }
    const rooms = readdirSync(join(coordinator.directory, 'state/snapshots'));
    expect(rooms).toEqual([]);
  });

  it('is made once when two requests have one name at the same time', async () => {
    const coordinator = await start();
    const clients = [
      await withFile(coordinator, 'alice', 'echo 1 >file'),
      await withFile(coordinator, 'alice', 'echo 2 >file'),
    ];
    const snapshots = await snapshotsOf(coordinator, 'alice');
    const results = await Promise.allSettled(
      clients.map(({ remoteName }) => snapshots.create(remoteName, 'warm')),
    );
    const failed = results.filter(({ status }) => status === 'rejected');
    expect(failed).toMatchObject([{ reason: { code: 'ERR_CONFLICT' } }]);
    expect(await snapshots.list()).toMatchObject([{ tag: 'warm' }]);
  });

  it('makes room for others: the least recently used are removed, results of setups first', async () => {
    const coordinator = await start({
      sections: '[snapshots]\nsize = "10m"\nper-user = "5m"',
    });
    const client = await withFile(coordinator, 'alice', 'head -c 2000000 /dev/urandom >file');
    const { remoteName } = client;
    const snapshots = await snapshotsOf(coordinator, 'alice');
    await snapshots.create(remoteName, 'a');
    await snapshots.create(remoteName, 'b', { isAutomatic: true });
    await snapshots.create(remoteName, 'c');
    const tags = async () => (await snapshots.list()).map(({ tag }) => tag);
    expect(await tags()).toEqual(['a', 'c']);
    const other = await coordinator.client('alice').createBuildlet('linux');
    await snapshots.restore(other.remoteName, 'a');
    await snapshots.create(remoteName, 'd');
    expect(await tags()).toEqual(['a', 'd']);
    await shell(client, 'head -c 6000000 /dev/urandom >file');
    await expect(snapshots.create(remoteName, 'e')).rejects.toMatchObject({
      code: 'ERR_QUOTA',
      status: 429,
    });
    expect(await tags()).toEqual(['a', 'd']);
    const [room = ''] = readdirSync(join(coordinator.directory, 'state/snapshots'));
    expect(readdirSync(join(coordinator.directory, 'state/snapshots', room))).toEqual(['a', 'd']);

    const bobs = await withFile(coordinator, 'bob', 'head -c 4000000 /dev/urandom >file');
    await (await snapshotsOf(coordinator, 'bob')).create(bobs.remoteName, 'x');
    expect(await tags()).toEqual(['a', 'd']);
    const third = await withFile(coordinator, 'boss', 'head -c 3000000 /dev/urandom >file');
    await (await snapshotsOf(coordinator, 'boss')).create(third.remoteName, 'x');
    expect(await tags()).toEqual(['d']);

    const rows = coordinator.log.filter(({ event }) => event.startsWith('audit-'));
    expect(rows).toEqual([]);
    const metrics = await ask(coordinator, coordinatorPaths.metrics, { user: 'boss' });
    expect(metrics.text).toMatch(/^gomote_snapshots\{user="alice"\} 1$/m);
    expect(metrics.text).toMatch(/^gomote_snapshot_bytes\{user="bob"\} 4\d{6}$/m);
  });

  it('never takes more than all may take, when several users make one at the same time', async () => {
    const coordinator = await start({ sections: '[snapshots]\nsize = "5m"\nper-user = "5m"' });
    const makers = await Promise.all(
      ['alice', 'bob', 'boss'].map(async (user) => ({
        snapshots: await snapshotsOf(coordinator, user),
        client: await withFile(coordinator, user, 'head -c 2000000 /dev/urandom >file'),
      })),
    );
    for (const tag of ['a', 'b', 'c']) {
      await Promise.all(
        makers.map(async ({ snapshots, client }) => await snapshots.create(client.remoteName, tag)),
      );
      const lists = await Promise.all(makers.map(async ({ snapshots }) => await snapshots.list()));
      // The two that were named last.
      expect(lists.flat().map((one) => one.tag)).toEqual([tag, tag]);
    }
  });

  it('counts even if it cannot be read, and is removed when it was used least recently', async () => {
    const coordinator = await start({ sections: '[snapshots]\nsize = "10m"\nper-user = "5m"' });
    const client = await withFile(coordinator, 'alice', 'head -c 2000000 /dev/urandom >file');
    const snapshots = await snapshotsOf(coordinator, 'alice');
    const top = join(coordinator.directory, 'state/snapshots');
    await snapshots.create(client.remoteName, 'a');
    const [room = ''] = readdirSync(top);
    writeFileSync(join(top, room, 'a/snapshot.json'), '{"version":2}');
    utimesSync(join(top, room, 'a'), 1, 1);
    await snapshots.create(client.remoteName, 'b');
    expect(readdirSync(join(top, room))).toEqual(['a', 'b']);
    await snapshots.create(client.remoteName, 'c');
    expect(readdirSync(join(top, room))).toEqual(['b', 'c']);
  });

  it('counts while buildlets begin with it, and is not removed then', async () => {
    const coordinator = await start({ sections: '[snapshots]\nsize = "10m"\nper-user = "5m"' });
    const client = await withFile(coordinator, 'alice', 'head -c 3000000 /dev/urandom >file');
    const snapshots = await snapshotsOf(coordinator, 'alice');
    await snapshots.create(client.remoteName, 'a');
    const { remoteName } = await coordinator.client('alice').createBuildlet('linux');
    const restores = snapshots.restore(remoteName, 'a');
    const made = await snapshots.create(client.remoteName, 'b').catch((error: unknown) => error);
    await restores.catch(() => undefined);
    const tags = (await snapshots.list()).map(({ tag }) => tag);
    // As it happens: while it was read, or after that.
    if (made instanceof Error) expect({ made, tags }).toMatchObject({ made: inUse, tags: ['a'] });
    else expect(tags).toEqual(['b']);
  });

  it('leaves rows in the audit trail', async () => {
    const coordinator = await start({ toml: 'audit-to = "log"' });
    const client = await withFile(coordinator, 'alice');
    const snapshots = await snapshotsOf(coordinator, 'alice');
    await snapshots.create(client.remoteName, 'warm');
    await snapshots.share('warm', true);
    const target = await coordinator.client('bob').createBuildlet('linux');
    const bobs = await snapshotsOf(coordinator, 'bob');
    await bobs.restore(target.remoteName, 'warm@alice');
    await snapshots.remove('warm');
    const rows = coordinator.log.filter(({ event }) => event.startsWith('audit-snapshot'));
    const of = { snapshot: 'warm', owner: 'alice', bytes: expect.any(Number) };
    const name = client.remoteName;
    expect(rows).toMatchObject([
      { event: 'audit-snapshot-created', by: 'alice', name, shared: false, ...of },
      { event: 'audit-snapshot-shared', by: 'alice', shared: true, ...of },
      { event: 'audit-snapshot-used', by: 'bob', name: target.remoteName, ...of },
      { event: 'audit-snapshot-removed', by: 'alice', ...of },
    ]);
  });

  it('leaves nothing when its client disconnects while it is made', async () => {
    const coordinator = await start();
    const client = await withFile(coordinator, 'alice', 'head -c 50000000 /dev/urandom >file');
    const snapshots = await snapshotsOf(coordinator, 'alice');
    const top = join(coordinator.directory, 'state/snapshots');
    const left = () => readdirSync(top).flatMap((room) => readdirSync(join(top, room)));
    const leaving = new AbortController();
    const made = snapshots.create(client.remoteName, 'warm', { signal: leaving.signal });
    await until(() => left().length > 0);
    leaving.abort();
    await expect(made).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await until(() => left().length === 0);
    expect(await snapshots.list()).toEqual([]);
  });

  it('that was not finished is removed at the start', async () => {
    const coordinator = await start();
    const client = await withFile(coordinator, 'alice');
    await (await snapshotsOf(coordinator, 'alice')).create(client.remoteName, 'warm');
    const top = join(coordinator.directory, 'state/snapshots');
    const [room = ''] = readdirSync(top);
    await coordinator.restart(() =>
      mkdirSync(join(top, room, `.new-${process.pid}-0123456789abcdef`)),
    );
    expect(readdirSync(join(top, room))).toEqual(['warm']);
  });

  it('whose record cannot be read is removed by its owner, or by an admin', async () => {
    const coordinator = await start();
    const client = await withFile(coordinator, 'alice');
    const own = await snapshotsOf(coordinator, 'alice');
    const top = join(coordinator.directory, 'state/snapshots');
    for (const [user, name] of [
      ['alice', 'warm'],
      ['boss', 'warm@alice'],
    ] as const) {
      await own.create(client.remoteName, 'warm');
      const [room = ''] = readdirSync(top);
      writeFileSync(join(top, room, 'warm/snapshot.json'), '');
      const bobs = await snapshotsOf(coordinator, 'bob');
      for (const other of ['warm', 'warm@alice']) {
        await expect(bobs.remove(other)).rejects.toMatchObject({ code: 'ERR_UNKNOWN_SNAPSHOT' });
      }
      await expect(own.create(client.remoteName, 'warm')).rejects.toMatchObject({
        code: 'ERR_CONFLICT',
      });
      await (await snapshotsOf(coordinator, user)).remove(name);
      expect(readdirSync(join(top, room))).toEqual([]);
    }
  });

  it('is neither announced nor accepted where none are kept', async () => {
    const coordinator = await start({ sections: '[snapshots]\nsize = 0' });
    expect(await coordinator.client('alice').snapshots()).toBeUndefined();
    const reply = await ask(coordinator, coordinatorPaths.snapshotList, { user: 'alice' });
    expect(reply).toMatchObject({ status: 501, text: 'this coordinator keeps no snapshots\n' });
  });
});

describe('the command line', () => {
  async function withTeam({ url, fingerprint }: TestCoordinator, user: string) {
    const cli = testCli();
    const argv = ['login', url, '--fingerprint', fingerprint, '--name', 'team', '--user', user];
    expect(await cli(argv, { stdin: [tokenOf(user)] })).toMatchObject({ code: 0 });
    const ok = async (...argv: string[]) => {
      const result = await cli(argv);
      expect(result).toMatchObject({ code: 0 });
      return result.stdout.trim();
    };
    return Object.assign(cli, { ok });
  }

  it('makes, lists, shares, uses and removes snapshots of a coordinator, on any machine of the user', async () => {
    const coordinator = await start();
    const one = await withTeam(coordinator, 'alice');
    const other = await withTeam(coordinator, 'alice');
    const bob = await withTeam(coordinator, 'bob');
    const name = await one.ok('create', '--backend', 'team', 'linux');
    await one.ok('run', '--dir', '.', name, 'sh', '-c', 'echo kept >file');
    expect(await one.ok('snapshot', 'create', name, 'warm')).toBe('team/warm');
    expect(await one.ok('snapshot', 'create', '--here', name, 'warm')).toBe('warm');
    const listed: unknown = JSON.parse(await one.ok('snapshot', 'list', '--json'));
    const schemaPath = new URL('../../schemas/output.schema.json', import.meta.url);
    const ajv = new Ajv2020({ formats: { 'date-time': true } });
    ajv.addSchema(JSON.parse(readFileSync(schemaPath, 'utf8')), 'gomote');
    expect([ajv.validate('gomote#/$defs/snapshot', listed), ajv.errors]).toEqual([true, null]);
    expect(listed).toMatchObject([{ tag: 'warm' }, { tag: 'team/warm', backend: 'team' }]);
    const copy = await other.ok('create', '--from', 'team/warm');
    expect(await other.ok('run', '--dir', '.', copy, 'cat', 'file')).toBe('kept');
    expect(await bob(['create', '--from', 'team/warm@alice'])).toMatchObject({ code: 1 });
    await other.ok('snapshot', 'share', 'team/warm');
    const third = await bob.ok('create', '--from', 'team/warm@alice');
    expect(await bob.ok('run', '--dir', '.', third, 'cat', 'file')).toBe('kept');
    const forked = await bob.ok('fork', third);
    expect(await bob.ok('run', '--dir', '.', forked, 'cat', 'file')).toBe('kept');
    expect(await one.ok('snapshot', 'inspect', 'team/warm@alice')).toContain('tag: team/warm\n');
    await one.ok('snapshot', 'unshare', 'team/warm@alice');
    await one.ok('snapshot', 'remove', 'team/warm');
    expect(await other.ok('snapshot', 'list')).not.toContain('warm');
    expect(await bob.ok('snapshot', 'list')).not.toContain('fork');
    // One that cannot be read is in no list, but has the name.
    await one.ok('snapshot', 'create', name, 'warm');
    const top = join(coordinator.directory, 'state/snapshots');
    const removeFile = (file: string) => {
      for (const room of readdirSync(top)) {
        for (const tag of readdirSync(join(top, room))) rmSync(join(top, room, tag, file));
      }
    };
    await bob.ok('destroy', forked);
    removeFile('files.tgz');
    const failed = 'the snapshot "team/warm" cannot be put there: ';
    const hint = 'run gomote snapshot remove team/warm, and make another';
    expect(await one(['create', '--from', 'team/warm'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(`${failed}.*files.tgz.*${hint}`),
    });
    removeFile('snapshot.json');
    const again = ['snapshot', 'create', name, 'warm'];
    expect((await one(again)).stderr).toContain('already');
    await one.ok('snapshot', 'remove', 'team/warm');
    await one.ok(...again);
  });

  it('keeps the result of a setup at the coordinator on request', async () => {
    const coordinator = await start({ machines: 6 });
    const [one, other] = [
      await withTeam(coordinator, 'alice'),
      await withTeam(coordinator, 'alice'),
    ];
    const bob = await withTeam(coordinator, 'bob');
    const setup = ['create', '--backend', 'team', '--setup', '-', 'linux'];
    const options = { stdin: ['echo content >file'] };
    expect(await one([...setup, '--keep-setup'], options)).toMatchObject({ code: 0, stderr: '' });
    const begun = await other([...setup, '--keep-setup'], options);
    expect(begun).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/the setup was done before.* team\/setup-[0-9a-f]{24} /),
    });
    expect(await other.ok('run', '--dir', '.', begun.stdout.trim(), 'cat', 'file')).toBe('content');
    // Each user has their own, and without the option the script runs.
    expect(await bob([...setup, '--keep-setup'], options)).toMatchObject({ code: 0, stderr: '' });
    expect(await one(setup, options)).toMatchObject({ code: 0, stderr: '' });
    // One that cannot be read is made again.
    const top = join(coordinator.directory, 'state/snapshots');
    for (const room of readdirSync(top)) {
      for (const tag of readdirSync(join(top, room))) rmSync(join(top, room, tag, 'snapshot.json'));
    }
    expect(await one([...setup, '--keep-setup'], options)).toMatchObject({ code: 0, stderr: '' });
    expect((await one([...setup, '--keep-setup'], options)).stderr).toContain('was done before');
  });
});
