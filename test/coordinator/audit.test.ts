// The audit trail: what was done to whose buildlet, from where, and how it ended.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ask, startCoordinator, type TestCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';

interface Row {
  event: string;
  [field: string]: unknown;
}

const rowsOf = ({ directory }: TestCoordinator, event: string): Row[] =>
  readFileSync(join(directory, 'state', 'audit.jsonl'), 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Row]))
    .filter((row) => row.event === event);

async function setUp() {
  const toml = 'probe-interval = "100ms"';
  const coordinator = await startCoordinator({ users: { me: {}, boss: { role: 'admin' } }, toml });
  const buildlet = await coordinator.client('me').createBuildlet('linux');
  onTestFinished(() => buildlet.disconnect());
  /** The first of its kind. */
  const row = async (event: string): Promise<Row | undefined> => {
    await until(() => rowsOf(coordinator, event).length > 0);
    return rowsOf(coordinator, event)[0];
  };
  return { coordinator, buildlet, row };
}

const name = 'user-me-linux-0';
const cause = { by: 'me', address: '127.0.0.1', request: expect.stringMatching(/^[0-9a-f]{12}$/) };

describe('the audit trail has', () => {
  it('who made and ended a buildlet, and how long it waited and lived', async () => {
    const { buildlet, row } = await setUp();
    const waitedMs = expect.any(Number);
    expect(await row('create')).toMatchObject({ name, outcome: 'ok', waitedMs, ...cause });
    await buildlet.close();
    expect(await row('destroy')).toMatchObject({ name, hadMs: expect.any(Number), ...cause });
  });

  it('the exit status of a command of the base protocol', async () => {
    const { buildlet, row } = await setUp();
    await buildlet.exec('/bin/sh', { args: ['-c', 'exit 3'], systemLevel: true });
    expect(await row('exec')).toMatchObject({
      ...{ name, command: '/bin/sh -c exit 3', outcome: 'exit status 3', code: 3 },
      ...{ durationMs: expect.any(Number), ...cause },
    });
  });

  it.each([
    ['exit 3', { outcome: 'exit status 3', code: 3 }],
    ['kill -KILL $$', { outcome: 'signal: SIGKILL', signal: 'SIGKILL' }],
  ])('how a followed run ended: %s', async (script, ended) => {
    const { buildlet, row } = await setUp();
    const request = { cmd: '/bin/sh', args: ['-c', script], systemLevel: true };
    const session = await buildlet.sessions.start(request);
    await session?.read();
    expect(await row('exec')).toMatchObject({
      ...{ name, command: `/bin/sh -c ${script}`, run: session?.id, ...ended },
      ...{ durationMs: expect.any(Number), ...cause },
    });
  });

  it('how a detached run ended, long after its request', async () => {
    const { buildlet, row } = await setUp();
    const script = 'until [ -e go ]; do sleep 0.05; done; exit 7';
    const session = await buildlet.sessions.start({
      ...{ cmd: '/bin/sh', args: ['-c', script], systemLevel: true, detach: true },
    });
    expect(await row('exec')).toMatchObject({ outcome: 'it goes on', run: session?.id, ...cause });
    await buildlet.exec('touch', { args: ['go'], systemLevel: true });
    expect(await row('exec-end')).toMatchObject({ code: 7, run: session?.id, ...cause });
  });

  it('a run that was lost with its buildlet', async () => {
    const { buildlet, row } = await setUp();
    await buildlet.sessions.start({
      ...{ cmd: '/bin/sleep', args: ['600'], systemLevel: true, detach: true },
    });
    await row('exec');
    await buildlet.close();
    expect(await row('exec-end')).toMatchObject({ outcome: 'unknown: its buildlet ended' });
  });

  it('uploaded and downloaded files', async () => {
    const { coordinator, buildlet } = await setUp();
    const file = { body: Buffer.from('hello'), mode: 0o644 };
    await buildlet.files.put(
      (async function* () {
        yield file.body;
      })(),
      'd/f',
      { mode: file.mode },
    );
    const got = await buildlet.files.get('d/f');
    for await (const _piece of got.body);
    await until(() => rowsOf(coordinator, 'transfer').length === 2);
    expect(rowsOf(coordinator, 'transfer')).toMatchObject([
      { name, direction: 'put', path: 'd/f', bytes: 5, outcome: 'status 200', ...cause },
      { name, direction: 'get', path: 'd/f', bytes: 5, outcome: 'status 200', ...cause },
    ]);
  });

  it('extensions and refusals', async () => {
    const { coordinator, row } = await setUp();
    await coordinator.client('me').extend(name, 3_600_000);
    expect(await row('extend')).toMatchObject({ name, byMs: 3_600_000, ...cause });
    await ask(coordinator, '/metrics', { user: 'me' });
    expect(await row('refused')).toMatchObject({ path: '/metrics', status: 401, ...cause });
  });

  it('sign-ins with a token', async () => {
    const { coordinator, row } = await setUp();
    await coordinator.client('me').types();
    await coordinator.client('boss').types({ signIn: true });
    expect(await row('sign-in')).toMatchObject({ ...cause, by: 'boss' });
    expect(rowsOf(coordinator, 'sign-in').length).toBe(1);
  });

  it('sign-ins to the page', async () => {
    const { coordinator, row } = await setUp();
    const { status } = await ask(coordinator, '/page/login', {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        'Sec-Fetch-Site': 'same-origin',
      },
      body: 'user=me&token=token-me',
    });
    expect(status).toBe(303);
    expect(await row('sign-in')).toMatchObject({ by: 'me', address: '127.0.0.1' });
  });
});
