// A real coordinator with a reverse pool, and real buildlets that dial it, some through the cutter.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { Collector } from '../helpers/collect.ts';
import { startCoordinator, type TestCoordinator } from '../helpers/coordinator.ts';
import { type Cutter, startCutter } from '../helpers/cutter.ts';
import { processesWith, until } from '../helpers/processes.ts';
import { type DiallingBuildlet, dialling, reversePool } from '../helpers/reverse.ts';

interface Farm extends TestCoordinator {
  readonly cutter: Cutter;
  machine(name?: string, key?: string): Promise<DiallingBuildlet>;
  /** How many machines can be lent. */
  offered(): number;
  has(event: string, fields?: Record<string, unknown>): boolean;
}

async function farm(toml = ''): Promise<Farm> {
  const coordinator = await startCoordinator({
    users: { me: {}, other: {} },
    machines: 1,
    toml,
    sections: reversePool,
  });
  writeFileSync(join(coordinator.directory, 'keys'), '# of this year\nthe-key\nthe-old-key\n', {
    mode: 0o600,
  });
  const cutter = await startCutter(coordinator.url.replace('https://', ''));
  const trust = { fingerprint: coordinator.fingerprint.replace('sha256:', '') };
  const me = { name: 'me', isAdmin: false };
  return Object.assign(Object.create(coordinator), {
    cutter,
    machine: (name = 'mac1', key = 'the-key') =>
      dialling(`https://${cutter.address}`, { machine: name, key, trust }),
    offered: () =>
      coordinator.coordinator.views.of(me).pools.find(({ kind }) => kind === 'reverse')?.capacity ??
      0,
    has: (event: string, fields: Record<string, unknown> = {}) =>
      coordinator.log.some((line) =>
        Object.entries<unknown>({ event, ...fields }).every(([key, value]) =>
          value instanceof RegExp ? value.test(String(line[key])) : line[key] === value,
        ),
      ),
  });
}

async function create(from: Farm, user = 'me'): Promise<BuildletClient> {
  const buildlet = await from.client(user).createBuildlet('mac');
  onTestFinished(() => buildlet.disconnect());
  return buildlet;
}

async function output(buildlet: BuildletClient, ...argv: string[]): Promise<string> {
  const collected = new Collector();
  const [cmd = '', ...args] = argv;
  await buildlet.exec(cmd, { systemLevel: true, args, output: collected });
  return collected.text;
}

describe('a machine that dials in', () => {
  it('is lent, used like any other, and given back', async () => {
    const place = await farm();
    const machine = await place.machine();
    const buildlet = await create(place);
    expect(buildlet.remoteName).toBe('user-me-mac-0');
    await buildlet.put('hello', 'file', 0o600);
    expect(await output(buildlet, 'cat', 'file')).toBe('hello');
    const result = await buildlet.exec('sh', { systemLevel: true, args: ['-c', 'exit 7'] });
    expect(result.exitCode).toBe(7);
    await buildlet.halt();
    expect(existsSync(join(machine.workDir, 'file'))).toBe(false);
    expect(existsSync(machine.workDir)).toBe(true);
  });

  it('makes a create wait until it is connected', async () => {
    const place = await farm();
    const creating = create(place);
    await place.machine();
    expect(await output(await creating, 'echo', 'x')).toBe('x\n');
  });

  it('is offered to the next user only after it was cleaned', async () => {
    const place = await farm();
    const machine = await place.machine();
    const first = await create(place);
    const mark = randomBytes(8).toString('hex');
    await first.put('secret', 'secret', 0o600);
    const daemon = `setsid sh -c 'while :; do sleep 1; done' ${mark} <&- >&- 2>&- &`;
    await first.exec('sh', { systemLevel: true, args: ['-c', daemon] });
    await until(() => processesWith(mark).length > 0);
    const second = create(place, 'other');
    await first.halt();
    expect(await output(await second, 'ls', '-A')).toBe('');
    expect(processesWith(mark)).toEqual([]);
    expect(await (await second).workDir()).toBe(machine.workDir);
  });

  it('with files left from before is cleaned before it is lent for the first time', async () => {
    const place = await farm();
    place.cutter.accepting = false;
    const machine = await place.machine();
    writeFileSync(join(machine.workDir, 'left'), 'x');
    place.cutter.accepting = true;
    expect(await output(await create(place), 'ls', '-A')).toBe('');
  });

  it('is refused without the key, in words that reveal nothing, and the refusal is logged', async () => {
    const place = await farm();
    const machine = await place.machine('mac1', 'guess');
    await until(() => machine.talk.length > 0);
    expect(machine.talk[0]).toMatch(/refused: wrong key, or no reverse pool/);
    expect(place.has('machine-refused', { machine: 'mac1' })).toBe(true);
    expect(JSON.stringify(place.log)).not.toContain('guess');
    expect(place.offered()).toBe(0);
    await place.machine('mac2', 'the-old-key');
    await until(() => place.offered() === 1);
  });

  it('is refused while another machine of its name is connected', async () => {
    const place = await farm();
    await place.machine();
    await until(() => place.offered() === 1);
    const twin = await place.machine();
    await until(() => twin.talk.length > 0);
    expect(twin.talk[0]).toMatch(/another machine called mac1 is connected: .* --machine NAME/);
    expect(place.offered()).toBe(1);
  });
});

describe('a machine whose connection drops', () => {
  it('fails requests, with its name and the reason, and resumes its session when it is back', async () => {
    const place = await farm();
    const machine = await place.machine();
    const buildlet = await create(place);
    await buildlet.put('kept', 'file', 0o600);
    const running = buildlet.exec('sleep', { systemLevel: true, args: ['1000'] });
    await until(async () => (await output(buildlet, 'ps', 'ax')).includes('sleep 1000'));
    place.cutter.drop();
    await expect(running).rejects.toMatchObject({ code: 'ERR_LOST' });
    expect(place.has('machine-left', { reason: /^the connection was/ })).toBe(true);
    await until(() => machine.talk.filter((line) => line.startsWith('connected')).length === 2);
    expect(await output(buildlet, 'cat', 'file')).toBe('kept');
  });

  it('is named in errors while it is away', async () => {
    const place = await farm();
    await place.machine();
    const buildlet = await create(place);
    place.cutter.accepting = false;
    place.cutter.drop();
    await until(() => place.has('machine-left'));
    await expect(buildlet.workDir()).rejects.toMatchObject({
      message: expect.stringMatching(
        /user-me-mac-0.*\(machine mac1\.[0-9a-f]{16}\): machine mac1 is away: the connection was/,
      ),
    });
  });

  it('loses its session when it stays away, with the reason at the next use', async () => {
    const place = await farm('probe-interval = "20ms"\ngrace-time = "0"');
    await place.machine();
    const buildlet = await create(place);
    place.cutter.accepting = false;
    place.cutter.drop();
    await until(() => place.has('died', { name: 'user-me-mac-0' }));
    await expect(buildlet.workDir()).rejects.toMatchObject({
      message: expect.stringMatching(
        /"user-me-mac-0" is dead: .*machine mac1 (is|has been) away.*: the connection/,
      ),
    });
    place.cutter.accepting = true;
    await until(() => place.offered() === 1);
    expect(await output(await create(place, 'other'), 'ls', '-A')).toBe('');
  });

  it('loses its session at once when its buildlet has ended or was restarted', async () => {
    const place = await farm();
    const machine = await place.machine();
    const first = await create(place);
    await machine.hangUp('it is ending: it got SIGTERM');
    await until(() => place.has('died', { name: 'user-me-mac-0' }));
    await expect(first.workDir()).rejects.toMatchObject({
      message: expect.stringContaining('machine mac1: it is ending: it got SIGTERM'),
    });
    const again = await place.machine();
    await create(place);
    place.cutter.accepting = false;
    place.cutter.drop();
    await again.hangUp('never said');
    place.cutter.accepting = true;
    await place.machine();
    await until(() => place.has('died', { reason: 'machine mac1 was started anew' }));
  });

  it('is cleaned when it comes back after its session has ended', async () => {
    const place = await farm();
    const machine = await place.machine();
    const buildlet = await create(place);
    await buildlet.put('secret', 'secret', 0o600);
    place.cutter.accepting = false;
    place.cutter.drop();
    await until(() => place.has('machine-left'));
    await buildlet.halt();
    expect(existsSync(join(machine.workDir, 'secret'))).toBe(true);
    place.cutter.accepting = true;
    expect(await output(await create(place, 'other'), 'ls', '-A')).toBe('');
  });
});

describe('a coordinator that starts again', () => {
  it('continues with the sessions of machines that dial it again, and cleans the others', async () => {
    const place = await farm();
    const machines = [await place.machine('mac1'), await place.machine('mac2')];
    await until(() => place.offered() === 2);
    const buildlet = await create(place);
    await buildlet.put('kept', 'file', 0o600);
    const held = machines.find(({ workDir }) => existsSync(join(workDir, 'file')));
    const idle = machines.find((machine) => machine !== held);
    writeFileSync(join(idle?.workDir ?? '', 'stray'), 'x');
    await place.restart();
    await until(() => machines.every(({ talk }) => talk.at(-1)?.startsWith('connected')));
    expect(await output(buildlet, 'cat', 'file')).toBe('kept');
    expect(await output(await create(place, 'other'), 'ls', '-A')).toBe('');
  });

  it.each([
    ['which machine can be made out', '"running"', '"flying"'],
    ['which machine cannot be made out', /^.*$/s, ''],
  ])('keeps the machine of a session whose file cannot be read, %s', async (_, from, to) => {
    const place = await farm();
    const machine = await place.machine();
    const buildlet = await create(place);
    await buildlet.put('kept', 'file', 0o600);
    await place.restart(() => {
      const path = join(place.directory, 'state', 'sessions', 'user-me-mac-0.json');
      writeFileSync(path, readFileSync(path, 'utf8').replace(from, to));
    });
    const rows = () => place.coordinator.machines.list().filter(({ kind }) => kind === 'reverse');
    await until(() => rows().some(({ state }) => state === 'in use'));
    expect(rows()).toMatchObject([{ machine: 'mac1', reason: expect.stringMatching(/^kept: /) }]);
    expect(readFileSync(join(machine.workDir, 'file'), 'utf8')).toBe('kept');
    await machine.hangUp('it goes home');
    await until(() => rows().every(({ state }) => state !== 'in use'));
  });
});
