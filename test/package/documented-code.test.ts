// The examples of the API reference, of docs/library.md and of README.md compile against the declarations of the package.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as library from '../../src/index.ts';
import { consumer, run } from './consumer.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** What examples take from the program around them: each declares the rest. */
const around = `
import * as gomotePackage from 'gomote';
import type { BuildletClient, Buildlet, ClusterConfig, CoordinatorClient, Gomote } from 'gomote';
import { type TestGomote, openTest as openTestOfPackage } from 'gomote/testing';
import * as assertOfNode from 'node:assert/strict';
import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import * as streams from 'node:stream/promises';
import * as util from 'node:util';

declare global {
${Object.keys(library)
  .map((name) =>
    /^[A-Z][a-z]/.test(name) && name !== 'NoKeyPair'
      ? `  class ${name} extends gomotePackage.${name} {}`
      : `  const ${name}: typeof gomotePackage.${name};`,
  )
  .join('\n')}
  const openTest: typeof openTestOfPackage;
  const { createReadStream, createWriteStream }: typeof fs;
  const { writeFile }: typeof promises;
  const { pipeline }: typeof streams;
  const { parseArgs }: typeof util;
  const assert: typeof assertOfNode;
  const test: (name: string, work: () => Promise<void>) => void;
  const [gomote, buildlet]: [TestGomote, Buildlet];
  const [client, other]: [BuildletClient, BuildletClient];
  const coordinator: CoordinatorClient;
  const [password, token, id, certPem, keyPem, generation]: string[];
  const signal: AbortSignal;
  const [keys, screen]: [Readable, Writable];
  const [config, input, isDone, head]: [object, object, boolean, Buffer];
  const [programUnderTest, release]: ((gomote: Gomote) => Promise<string>)[];
  interface KubeConfig extends ClusterConfig { loadFromDefault(): void; }
  const KubeConfig: new () => KubeConfig;
}
`;

/** The code of each `@example` in a comment. */
function examplesOf(source: string): string[] {
  const comments = [...source.matchAll(/\/\*\*.*?\*\//gs)].map(([comment]) =>
    comment.replaceAll(/^ *(?:\/\*\*|\*\/|\*) ?/gm, ''),
  );
  return comments.flatMap((text) =>
    text
      .split(/^@example$/m)
      .slice(1)
      .map((example) => example.split(/^@/m)[0] ?? ''),
  );
}

/** The indented programs of a page, but those for a shell or a Makefile. */
const programsOf = (page: string): string[] =>
  [...page.matchAll(/(?:^(?: {4}.*)?\n)+/gm)]
    .map(([block]) => block.replaceAll(/^ {4}/gm, '').trim())
    .filter((block) => /\bawait\b|^import /m.test(block));

const blocks = [
  ...readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join('src', name))
    .flatMap((name) => examplesOf(read(name)).map((code) => ({ name, code }))),
  ...['docs/library.md', 'README.md'].flatMap((name) =>
    programsOf(read(name)).map((code) => ({ name, code })),
  ),
];

async function compile(all: readonly { name: string; code: string }[]): Promise<void> {
  const directory = consumer();
  writeFileSync(join(directory, 'around.ts'), around);
  const files = all.map(({ name, code }, i) => {
    const file = `${name.replaceAll(/[^a-z]+/gi, '-')}-${i}.ts`;
    writeFileSync(join(directory, file), `export {};\n${code}`);
    return file;
  });
  const typeRoots = join(root, 'node_modules/@types');
  await run(
    directory,
    join(root, 'node_modules/.bin/tsc'),
    ...['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2023'],
    ...['--lib', 'es2023,esnext.disposable', '--module', 'nodenext'],
    ...['--types', 'node', '--typeRoots', typeRoots, 'around.ts', ...files],
  );
}

it('each compiles', async () => {
  expect(blocks.filter(({ name }) => name.startsWith('src')).length).toBeGreaterThan(35);
  expect(blocks.filter(({ name }) => name.startsWith('docs')).length).toBeGreaterThan(6);
  expect(blocks.filter(({ name }) => name === 'README.md').length).toBeGreaterThan(0);
  await compile(blocks);
});

it('none compiles that is wrong', async () => {
  const wrong = [
    'await buildlet.ran("make");',
    'const n: number = buildlet.name;',
    'await nobody();',
  ];
  const error = compile(wrong.map((code) => ({ name: 'wrong', code })));
  await expect(error).rejects.toThrow(
    /wrong-0.ts\(.*error TS.*wrong-1.ts\(.*error TS.*wrong-2.ts\(.*error TS/s,
  );
});
