// The state directory of version 0.1.0, as its coordinator left it when it was killed: this version goes on with it.
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startBuildlet } from '../helpers/buildlet.ts';
import { Collector } from '../helpers/collect.ts';
import { ask, startCoordinator } from '../helpers/coordinator.ts';

const fixture = join(import.meta.dirname, '../fixtures/state-0.1.0');

/** The times of the fixture are over, and its machines elsewhere. */
function renewed(text: string, machines: Readonly<Record<string, string>>): string {
  const session = JSON.parse(text);
  const now = Date.now();
  return JSON.stringify({
    ...{ ...session, createdMs: now, expiresMs: now + 1_800_000 },
    machine: machines[session.machine],
  });
}

it('users, tokens, sessions with their machines, and names that were given survive an upgrade', async () => {
  const [one, two] = [await startBuildlet(), await startBuildlet()];
  const machines = { 'unix:MACHINES/b1': one.address, 'unix:MACHINES/b2': two.address };
  const coordinator = await startCoordinator({
    addresses: [one.address, two.address],
    users: { gopher: {}, boss: {} },
    hostType: 'h',
    prepare: (directory) => {
      const state = join(directory, 'state');
      cpSync(fixture, state, { recursive: true });
      // Git keeps no such modes.
      execFileSync('chmod', ['-R', 'go=', state]);
      for (const file of readdirSync(join(state, 'sessions'))) {
        const path = join(state, 'sessions', file);
        writeFileSync(path, renewed(readFileSync(path, 'utf8'), machines));
      }
    },
  });
  const gopher = coordinator.client('gopher');
  const listed = await gopher.remoteBuildlets();
  expect(listed.map(({ name }) => name)).toEqual(['user-gopher-linux-0']);
  const boss = await coordinator.client('boss').types({ signal: AbortSignal.timeout(60_000) });
  expect(boss?.user).toMatchObject({ name: 'boss', isAdmin: true, maximum: 3, inUse: 1 });
  // Its machine was not cleaned, and the key of its create still gives it.
  const buildlet = gopher.namedBuildlet('user-gopher-linux-0');
  const output = new Collector();
  await buildlet.exec('echo', { systemLevel: true, args: ['still here'], output });
  expect(output.text).toBe('still here\n');
  const body = 'version=20160922&builderType=linux&key=0123456789abcdef0123';
  const again = await ask(coordinator, '/buildlet/create', {
    user: 'gopher',
    method: 'POST',
    body,
  });
  expect(JSON.parse(again.text).Name).toBe('user-gopher-linux-0');
  await buildlet.halt();
  await buildlet.disconnect();
  expect((await gopher.requestBuildlet('linux')).name).not.toMatch(/-0$/);
  expect(coordinator.log.filter(({ event }) => event === 'unread-session')).toEqual([]);
});
