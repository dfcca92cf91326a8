// The names of docs/library.md are in the declarations of the package.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { rowsOfNames } from '../helpers/library-names.ts';
import { consumer, run } from './consumer.ts';

const tsc = new URL('../../node_modules/.bin/tsc', import.meta.url).pathname;
const typeRoots = new URL('../../node_modules/@types', import.meta.url).pathname;

const listOf = (keys: string, names: readonly string[]): string =>
  `[${names.map((name) => `'${name}'`).join(', ')}] satisfies (${keys})[];`;

/** A program that compiles when each name is an export, or a member of the type of its row. */
function programOf(rows: ReturnType<typeof rowsOfNames>): string {
  const isType = (name: string) => /^[A-Z]/.test(name);
  const loose = rows.flatMap(({ type, names }) => (type === undefined ? names : []));
  const types = [...loose.filter(isType), ...rows.flatMap(({ type }) => type ?? [])];
  const codes = types.filter((name) => name.startsWith('ERR_'));
  const clients = "keyof (typeof import('gomote') & BuildletClient & CoordinatorClient & KeyPair)";
  return [
    `import type { ErrorCode, ${[...new Set(types)].filter((name) => !codes.includes(name))} } from 'gomote';`,
    listOf('ErrorCode', codes),
    listOf(
      clients,
      loose.filter((name) => !isType(name)),
    ),
    ...rows.flatMap(({ type, names }) =>
      type === undefined ? [] : listOf(`keyof ${type}`, names),
    ),
  ].join('\n');
}

async function compile(program: string): Promise<void> {
  const directory = consumer();
  writeFileSync(join(directory, 'names.ts'), program);
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext'];
  await run(directory, tsc, ...options, '--types', 'node', '--typeRoots', typeRoots, 'names.ts');
}

it('each documented name is an export of the package, or a member of one', async () => {
  const rows = rowsOfNames();
  expect(rows.length).toBeGreaterThan(25);
  await compile(programOf(rows));
});

it.each([
  { type: undefined, names: ['noSuchExport'] },
  { type: undefined, names: ['NoSuchType'] },
  { type: 'ExecOptions', names: ['noSuchOption'] },
])('the name of $type $names does not exist', async (row) => {
  await expect(compile(programOf([row, ...rowsOfNames()]))).rejects.toThrow(
    new RegExp(`error TS.*${row.names[0]}`),
  );
});
