// Machines of a local pool that have users of their own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LocalBackend } from '../../src/backends/local/backend.ts';
import { requireOwnUsers } from '../../src/backends/local/own-users.ts';
import { readOptions } from '../../src/buildlet/options.ts';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { removeTreeSync } from '../../src/files/remove-tree.ts';
import { hasBubblewrap } from '../helpers/bubblewrap.ts';
import { Collector } from '../helpers/collect.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasRoot } from '../helpers/tools.ts';

/** Ids that nobody else on this machine has, apart for each test file that is run at once. */
const first = 1_900_000_000 + (process.pid % 1_000_000) * 100;

const isRoot = hasRoot();

function openDirectory(): string {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o711);
  return directory;
}

const poolOf = (directory: string, more = '') =>
  `[hosts.here]\n[builders.here]\nhost = "here"\n[pools.here]\nkind = "local"\nhost = "here"\nmaximum = 2\n` +
  `uids = [${first}, ${first + 3}]\nmachines-directory = "${directory}/machines"\n${more}`;

async function shell(client: BuildletClient, script: string): Promise<string> {
  const output = new Collector();
  await client.exec('/bin/sh', { systemLevel: true, output, args: ['-c', script] });
  return output.text;
}

async function twoMachines(more: string) {
  const coordinator = await startCoordinator({ sections: poolOf(openDirectory(), more) });
  const client = coordinator.client('me');
  const machines = [await client.createBuildlet('here'), await client.createBuildlet('here')];
  for (const machine of machines) onTestFinished(() => machine.halt().catch(() => undefined));
  const [one, two] = machines;
  if (one === undefined || two === undefined) throw new Error('there are none');
  return { coordinator, one, two };
}

/** Whether one lives: where nobody waits for those that have ended, they stay in the list. */
const hasProcesses = (uid: number): boolean =>
  readdirSync('/proc').some((name) => {
    const path = `/proc/${name}/status`;
    if (!/^[0-9]+$/.test(name) || !existsSync(path)) return false;
    const status = readFileSync(path, 'utf8');
    return status.includes(`Uid:\t${uid}\t`) && !/^State:\tZ/m.test(status);
  });

describe.runIf(isRoot)('machines of a pool with uids', () => {
  it.each([
    ['without a sandbox', 'isolation = "none"'],
    ...(hasBubblewrap ? [['in a sandbox', 'isolation = "bubblewrap"']] : []),
  ] as [string, string][])(
    'run as users of their own, and own their files, %s',
    async (_case, isolation) => {
      const { one, two } = await twoMachines(isolation);
      const ids = [await shell(one, 'id -u'), await shell(two, 'id -u')].map(Number);
      expect(new Set(ids)).toEqual(new Set([first, first + 1]));
      await one.put(Buffer.from('x'), 'sent', 0o644);
      const script =
        'cd "$WORKDIR"; echo y >> sent && cat sent && mkdir made && touch "$HOME/f" && echo done; id -G';
      expect(await shell(one, script)).toBe(`x${'y'}\ndone\n${ids[0]}\n`);
    },
  );

  it('cannot read files or end processes of the coordinator or of each other', async () => {
    const { coordinator, one, two } = await twoMachines('isolation = "none"');
    const [place, pid] = (await shell(two, 'cd "$WORKDIR"; touch mine; pwd; echo $PPID')).split(
      '\n',
    );
    const state = join(coordinator.directory, 'state');
    expect(existsSync(join(state, 'tls-key.pem'))).toBe(true);
    const script = `cat ${state}/tls-key.pem; ls ${place} ${state}/pools; cat ${state}/pools/here/*/password; kill ${pid}; kill ${process.pid}; cat /proc/$PPID/environ`;
    const said = await shell(one, `{ ${script}; } 2>&1`);
    expect(said.trim().split(/\n+/)).toHaveLength(7);
    expect(said).not.toMatch(/BEGIN|mine/);
    expect(said.match(/ermi|No such/g)).toHaveLength(7);
  });

  it('have no more processes than their limit, beside those of the buildlet', async () => {
    const { one, two } = await twoMachines('isolation = "none"\npids-limit = 50\n');
    // A shell that cannot make another process ends.
    const script =
      '(i=0; while [ $i -lt 300 ]; do sleep 600 >/dev/null 2>&1 & i=$((i+1)); echo; done) 2>/dev/null | wc -l';
    const made = Number((await shell(one, script)).trim());
    expect(made).toBeGreaterThan(20);
    expect(made).toBeLessThan(100);
    // What one has counts for no other.
    expect(await shell(two, 'echo runs')).toBe('runs\n');
    const { confinement } = await two.status();
    expect(confinement?.limits).toEqual([{ resource: 'pids', limit: 50, by: 'process' }]);
  });

  it('gain no privileges by set-user-ID programs', async () => {
    const { one, two } = await twoMachines('isolation = "none"');
    const [place] = (await shell(two, 'cd "$WORKDIR/.."; chmod 777 .; pwd')).split('\n');
    await shell(one, `cp /usr/bin/id ${place}/id && chmod 6755 ${place}/id`);
    const [before, after] = [await shell(two, 'id'), await shell(two, `${place}/id`)];
    expect(after).toBe(before);
    expect(after).not.toBe('');
  });

  it('leave no process and no file behind, however hidden', async () => {
    const { one } = await twoMachines('isolation = "none"');
    const kept = temporaryDirectory();
    writeFileSync(join(kept, 'file'), '');
    const left = `/tmp/left-${first}`;
    const hide = `env -i setsid sleep 600 >/dev/null 2>&1 & mkdir -p ${left}/deep && touch ${left}/deep/f && chmod 0 ${left}/deep`;
    const [uid, work] = (await shell(one, `${hide}; id -u; echo $WORKDIR`)).split('\n');
    // What is removed is not what its files lead to.
    await shell(
      one,
      `cd $WORKDIR/.. && mv work away && ln -s ${kept} work && ln -s ${kept} home/link`,
    );
    expect(hasProcesses(Number(uid))).toBe(true);
    await one.halt();
    await until(() => !existsSync(String(work)) && !existsSync(left));
    expect(hasProcesses(Number(uid))).toBe(false);
    expect(existsSync(join(kept, 'file'))).toBe(true);
  });

  it('reach every network, and leave files where every user can write', async () => {
    const { one } = await twoMachines('isolation = "none"');
    const server = createServer((socket) => socket.end('outside'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    // Nobody looks for files there.
    const open = mkdtempSync('/var/lib/gomote-test-');
    onTestFinished(() => removeTreeSync(open));
    chmodSync(open, 0o1777);
    const connect = `require('net').connect(${port}, '127.0.0.1').pipe(process.stdout)`;
    expect(await shell(one, `touch ${open}/left; node -e "${connect}"`)).toBe('outside');
    await one.halt();
    expect(existsSync(join(open, 'left'))).toBe(true);
  });

  it('are cleared when the record of a machine is gone before its processes', async () => {
    const [directory, root] = [openDirectory(), join(temporaryDirectory(), 'pool')];
    mkdirSync(root);
    const users = { first, last: first + 3, directory: join(directory, 'machines') };
    const backend = new LocalBackend(
      { kind: 'local', name: 'local', root, users, environment: process.env },
      undefined as never,
    );
    // It would end whatever else its user runs.
    const script = 'while :; do kill -s KILL -- -1; done';
    const stray = spawn('/bin/sh', ['-c', script], { uid: first + 2, gid: first + 2 });
    const ended = once(stray, 'exit');
    expect(await backend.reap()).toEqual([`user ${first + 2}: processes of no buildlet`]);
    expect(await ended).toEqual([null, 'SIGKILL']);
  });

  it('are refused where an account has one of the ids', async () => {
    const directory = openDirectory();
    await expect(requireOwnUsers({ first: 1, last: 1_000, directory })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/^the user id [0-9]+ is the account [a-z]+'s$/),
    });
  });

  it('are refused where other users cannot reach their files', async () => {
    const directory = join(temporaryDirectory(), 'machines');
    await expect(requireOwnUsers({ first, last: first + 3, directory })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('other users cannot run'),
    });
  });
});

describe('the configuration of uids', () => {
  it.each([
    ['uids = [60000, 60002]', 'there must be two for each of its 2 machines'],
    ['uids = [60003, 60000]', 'there must be two for each of its 2 machines'],
    ['uids = [0, 60000]', 'lower ids are for the system'],
    ['uids = [60000.5, 60010]', 'a user id is a whole number'],
    ['uids = [60000, 4294967295]', 'there are no such user ids'],
    ['uids = [60000]', 'uids'],
    ['uids = [60000, 60003, 60009]', 'give two'],
    ['uids = "60000-60003"', 'give two'],
    ['machines-directory = "/srv/x"', 'it goes with uids'],
    ['uids = [60000, 60003]\nmachines-directory = "x"', 'give an absolute path'],
    ['uids = [60000, 60003]\nmachines-directory = "/"', 'give an absolute path'],
    [
      'uids = [60000, 60003]\n[hosts.here]\ncaches = [{ name = "c", path = "c" }]',
      'with uids cannot keep',
    ],
    [
      'uids = [60000, 60009]\n[pools.b]\nkind = "local"\nhost = "here"\nmaximum = 1\nuids = [60009, 60010]',
      'some of these are those of pools.here',
    ],
  ])('refuses %s', (lines, why) => {
    const path = join(temporaryDirectory(), 'coordinator.toml');
    mkdirSync(join(path, '..', 'state'));
    const pool = `[pools.here]\nkind = "local"\nhost = "here"\nmaximum = 2\n${lines}`;
    writeFileSync(
      path,
      `state-directory = "state"\n${lines.includes('[hosts') ? '' : '[hosts.here]\n'}[builders.here]\nhost = "here"\n${pool}`,
    );
    expect(() => loadCoordinatorConfig(path)).toThrow(why);
  });
});

describe('buildlet --user', () => {
  it.each([
    ['--user', 'root', '--listen', 'unix:/x'],
    ['--user', '0', '--listen', 'unix:/x'],
    ['--user', '4294967295', '--listen', 'unix:/x'],
    ['--user', '60000'],
    ['--user', '60000', '--listen', '127.0.0.1:0'],
  ])('is wrong usage as %s %s %s %s', async (...argv) => {
    const words = argv.filter((word) => word !== undefined);
    await expect(readOptions(words, {})).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });
});
