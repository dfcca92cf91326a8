// What is kept of buildlets and runs that have ended: for how long, how much, and whatever is in the file.
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { History } from '../../../src/coordinator/page/history.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const dayMs = 24 * 3_600_000;

async function open(path = join(temporaryDirectory(), 'history.jsonl'), keepMs = dayMs) {
  const troubles: string[] = [];
  const history = await History.open({ path, keepMs, onTrouble: (what) => troubles.push(what) });
  return { path, history, troubles };
}

const live = (history: History, name: string, owner = 'me') => {
  history.write('create', { name, owner, outcome: 'ok', hostType: 'host-linux' });
  history.write('exec', { name, owner, command: 'make', code: 0, durationMs: 12 });
  history.write('destroy', { name, owner, why: 'destroyed by me', hadMs: 1_000 });
};

it('the history survives a restart of the coordinator, in its own file', async () => {
  const { path, history } = await open();
  live(history, 'one');
  history.write('create', { name: 'refused', owner: 'me', outcome: 'no room' });
  history.write('sign-in', { by: 'me' });
  await history.close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const { history: next } = await open(path);
  expect(next.all()).toEqual(history.all());
  expect(next.all().map(({ name, rows, end }) => [name, rows.length, end?.why])).toEqual([
    ['one', 3, 'destroyed by me'],
  ]);
  await next.close();
});

it('the history ignores invalid and old lines of its file', async () => {
  const { path, history } = await open();
  live(history, 'one');
  await history.close();
  const old = { atMs: Date.now() - 2 * dayMs, event: 'create', name: 'old', owner: 'me' };
  const odd = ['{"atMs"', '[]', '{"atMs":"x","event":"create","name":"x","owner":"x"}', '\u0000'];
  appendFileSync(path, [JSON.stringify(old), ...odd].join('\n'));
  const { history: next } = await open(path);
  await next.flush();
  expect(next.all().map(({ name }) => name)).toEqual(['one']);
  expect(readFileSync(path, 'utf8')).not.toContain('old');
  await next.close();
});

it('the history keeps nothing when it is turned off', async () => {
  const { path, history } = await open();
  live(history, 'one');
  await history.close();
  const { history: none } = await open(path, 0);
  live(none, 'two');
  await none.close();
  expect(readFileSync(path, 'utf8')).toBe('');
});

it('the history is bounded: a busy user evicts nobody else’s entries, and long or odd texts are cut and escaped', async () => {
  const { history } = await open();
  live(history, 'quiet', 'other');
  for (let i = 0; i < 10_000; i++) live(history, `busy-${i}`);
  history.write('create', { name: 'many', owner: 'me', outcome: 'ok' });
  for (let i = 0; i < 1_000; i++)
    history.write('exec', { name: 'many', owner: 'me', command: 'x' });
  history.write('exec', { name: 'many', owner: 'me', command: `\u202e${'y'.repeat(1 << 20)}` });
  const entries = history.all();
  expect(entries.reduce((sum, { rows }) => sum + rows.length, 0)).toBeLessThanOrEqual(20_000);
  expect(history.get('quiet')?.rows).toHaveLength(3);
  const many = history.get('many')?.rows ?? [];
  expect(many).toHaveLength(500);
  expect(many[0]?.event).toBe('create');
  expect(many.at(-1)?.command).toMatch(/^\\u202ey{499}…$/);
  await history.close();
});

it('the history of a reused name begins empty', async () => {
  const { history } = await open();
  live(history, 'one');
  history.write('create', { name: 'one', owner: 'other', outcome: 'ok' });
  expect(history.get('one')).toMatchObject({ owner: 'other', end: undefined });
  expect(history.get('one')?.rows).toHaveLength(1);
  await history.close();
});

it('the history reports once that it cannot be written, and writes everything when it can again', async () => {
  const path = join(temporaryDirectory(), 'there', 'history.jsonl');
  const { history, troubles } = await open(path);
  live(history, 'one');
  await history.flush();
  live(history, 'two');
  await history.flush();
  expect(troubles).toEqual([expect.stringContaining('the history cannot be written')]);
  mkdirSync(join(path, '..'));
  await history.flush();
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(7);
  writeFileSync(path, '');
  await history.close();
});
