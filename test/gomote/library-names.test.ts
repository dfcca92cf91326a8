// docs/library.md names what is there. Members of types are checked in the declarations of the package.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import * as library from '../../src/index.ts';
import { rowsOfNames } from '../helpers/library-names.ts';

const index = readFileSync(new URL('../../src/index.ts', import.meta.url), 'utf8');

it('the table of names has exports or members on the right', () => {
  const rows = rowsOfNames();
  expect(rows.length).toBeGreaterThan(25);
  const prototypes = [library.BuildletClient, library.CoordinatorClient, library.KeyPair];
  const client = new library.BuildletClient('unix:/none');
  const members = new Set([
    ...prototypes.flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype)),
    ...Object.keys(client),
  ]);
  const isExported = (name: string) => new RegExp(`\\b${name}\\b`).test(index);
  const named = rows.flatMap(({ type, names }) => (type?.endsWith('Options') ? [type] : names));
  expect(named.filter((name) => !members.has(name) && !isExported(name))).toEqual([]);
});
