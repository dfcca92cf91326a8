// docs/library.md names what is there.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import * as library from '../../src/index.ts';

const page = readFileSync(new URL('../../docs/library.md', import.meta.url), 'utf8');
const index = readFileSync(new URL('../../src/index.ts', import.meta.url), 'utf8');

it('the table of names has those of Go on the left, and exports or members on the right', () => {
  const rows = [...page.matchAll(/^\| (.*) \| (.*) \|$/gm)].slice(1);
  expect(rows.length).toBeGreaterThan(25);
  const prototypes = [library.BuildletClient, library.CoordinatorClient, library.KeyPair];
  const client = new library.BuildletClient('unix:/none');
  const members = new Set([
    ...prototypes.flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype)),
    ...Object.keys(client),
  ]);
  const absent = rows.flatMap(([, , here = '']) =>
    [...here.matchAll(/`(\w+)(?:\(\))?`/g)].flatMap(([, name = '']) => {
      const isOption = /: `/.test(here) && !/^[A-Z]/.test(name);
      const isThere = members.has(name) || new RegExp(`\\b${name}\\b`).test(index);
      return isThere || isOption || ['code', 'parseArgs'].includes(name) ? [] : [name];
    }),
  );
  expect(absent).toEqual([]);
});
