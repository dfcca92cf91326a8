import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Session } from '../../../src/coordinator/sessions/session.ts';
import { formatNote, parseNote } from '../../../src/coordinator/sessions/session-note.ts';
import { SessionBook } from '../../../src/coordinator/state/session-book.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const session: Session = {
  name: 'user-me-linux-0',
  owner: 'me',
  builderType: 'linux',
  hostType: 'host-linux',
  state: 'running',
  createdMs: 1,
  expiresMs: 2,
  isClaimed: true,
};

const paths = [
  '../../x',
  'a/b',
  '/etc/x',
  '.',
  '..',
  '',
  'a\0b',
  'a\nb',
  'a\\b',
  'é',
  'x'.repeat(300),
];

it('a note contains its session', () => {
  expect(parseNote('t', formatNote('t', session), 'm')).toMatchObject({ name: session.name });
});

it.each(paths)('a note with %j as the name of its machine is ignored', (name) => {
  expect(parseNote('t', formatNote('t', { ...session, name }), 'm')).toBeUndefined();
});

it.each(paths)('no file is written for a session called %j', async (name) => {
  const top = temporaryDirectory();
  const directory = join(top, 'a/b/sessions');
  mkdirSync(directory, { recursive: true });
  const book = await SessionBook.open(directory, () => undefined);
  await expect(book.save({ ...session, name })).rejects.toMatchObject({ code: 'ERR_PATH' });
  expect(readdirSync(top, { recursive: true }).sort()).toEqual(['a', 'a/b', 'a/b/sessions']);
});
