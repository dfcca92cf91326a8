// The porch used wrongly: an error that says so, and nothing that ends the process or hangs.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Buildlet } from '../../src/gomote/buildlet.ts';
import { open } from '../../src/gomote/open.ts';
import { openTest, type TestGomote } from '../../src/testing.ts';

let gomote: TestGomote;
let buildlet: Buildlet;

beforeAll(async () => {
  gomote = await openTest();
  buildlet = await gomote.create('local');
});
afterAll(() => gomote.close());

// biome-ignore lint/suspicious/noExplicitAny: what programs without types give.
const wrong = (value: unknown): any => value;

const misuses: [string, () => unknown][] = [
  ['open with a text', () => open(wrong('local'))],
  ['open with a backend that is no text', () => open({ backend: wrong(7) })],
  ['open with null', () => open(wrong(null))],
  ['create without a type', () => gomote.create(wrong(undefined))],
  ['create with a number', () => gomote.create(wrong(5))],
  [
    'create with labels that are no texts',
    () => gomote.create('local', { labels: wrong({ a: 1 }) }),
  ],
  ['create with labels that are a text', () => gomote.create('local', { labels: wrong('a=b') })],
  ['create with null for options', () => gomote.create('local', wrong(null))],
  ['get without a name', () => gomote.get(wrong(undefined))],
  ['get with an object', () => gomote.get(wrong({ name: 'x' }))],
  ['destroy with a buildlet', () => gomote.destroy(wrong(buildlet))],
  ['run without a command', () => buildlet.run(wrong(undefined))],
  ['run with an empty command', () => buildlet.run('')],
  ['run with arguments that are a text', () => buildlet.run('echo', wrong('hi'))],
  ['run with an argument that is a number', () => buildlet.run('echo', wrong([5]))],
  ['run with options for arguments', () => buildlet.run('echo', wrong({ dir: '.' }))],
  ['run with null for options', () => buildlet.run('echo', [], wrong(null))],
  ['run with NUL in an argument', () => buildlet.run('echo', ['a\0b'])],
  [
    'run with a variable that is no text',
    () => buildlet.run('echo', [], { env: wrong({ A: {} }) }),
  ],
  ['run with a directory that is a number', () => buildlet.run('echo', [], { dir: wrong(5) })],
  ['run with a time that is a text', () => buildlet.run('echo', [], { timeoutMs: wrong('5s') })],
  ['run with a stdout that is no stream', () => buildlet.run('echo', [], { stdout: wrong({}) })],
  ['run with a negative maxBuffer', () => buildlet.run('echo', [], { maxBuffer: -1 })],
  ['run with a path that is a text', () => buildlet.run('echo', [], { path: wrong('/bin') })],
  ['run with an id that is a number', () => buildlet.run('echo', [], { id: wrong(5) })],
  ['lines of an output that there is not', () => buildlet.run('true').lines(wrong('out'))],
  ['stream of an output that there is not', () => buildlet.run('true').stream(wrong('out'))],
  ['shell of no columns', () => buildlet.shell({ columns: 0 })],
  ['resize to a part of a row', () => buildlet.attach('x').resize(80, 2.5)],
  ['fork into none', () => buildlet.fork({ count: 0 })],
  ['fork into a text', () => buildlet.fork({ count: wrong('2') })],
  ['attach without an id', () => buildlet.attach(wrong(undefined))],
  ['push with a number', () => buildlet.push(wrong(5))],
  ['pull with a number', () => buildlet.pull(wrong(5))],
  ['put without a file', () => buildlet.put(wrong(undefined))],
  ['get without a path', () => buildlet.get(wrong(undefined))],
  ['forward without a port', () => buildlet.forward(wrong(undefined))],
  ['forward with a number', () => buildlet.forward(wrong(8080))],
  ['files.read without a path', () => buildlet.files.read(wrong(undefined))],
  ['files.write without content', () => buildlet.files.write('f', wrong(undefined))],
  ['files.write of an object', () => buildlet.files.write('f', wrong({}))],
  ['files.write of null', () => buildlet.files.write('f', wrong(null))],
  [
    'files.write with a mode that is a text',
    () => buildlet.files.write('f', '', { mode: wrong('755') }),
  ],
  ['files.exists with a number', () => buildlet.files.exists(wrong(7))],
  ['files.mkdir without a path', () => buildlet.files.mkdir(wrong(undefined))],
  ['files.rename without a second path', () => buildlet.files.rename('a', wrong(undefined))],
  ['files.remove with a number', () => buildlet.files.remove(wrong(7))],
  ['files.remove with an object', () => buildlet.files.remove(wrong({}))],
  ['files.list with a number', () => buildlet.files.list(wrong(7))],
];

it.each(misuses)('%s is wrong usage', async (_, misuse) => {
  const error: unknown = await (async () => await misuse())().then(
    (value) => `it gave ${String(value)}`,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(?:USAGE|PATH|UNKNOWN_)/) });
});

describe('a run', () => {
  it('can be iterated twice, and iterated and awaited at once', async () => {
    const run = buildlet.run('seq', ['3']);
    const read = async () => {
      const lines: string[] = [];
      for await (const line of run) lines.push(line);
      return lines;
    };
    const [one, two, { stdout }] = await Promise.all([read(), read(), run]);
    expect([one, two, stdout]).toEqual([['1', '2', '3'], ['1', '2', '3'], '1\n2\n3\n']);
    // What has ended gives no more lines.
    expect(await read()).toEqual([]);
  });

  it('whose handle nobody uses ends nothing when it fails', async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listen);
    buildlet.run('no-such-command');
    buildlet.attach('no-such-run');
    const other = await gomote.create('local');
    other.run('sleep', ['1000']);
    await other.destroy();
    await buildlet.run('true');
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
  });

  it('fails when its buildlet is destroyed, and so do later ones', async () => {
    const other = await gomote.create('local');
    const run = other.run('sh', ['-c', 'echo on; exec sleep 1000']);
    for await (const _ of run) break;
    await other[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await expect(run).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) });
    await expect(run.kill()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    for (const after of [
      () => other.run('true'),
      () => other.push('.'),
      () => other.files.list(),
      () => other.forward('0:1'),
    ]) {
      await expect((async () => await after())()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    }
  });
});

it('two instances are independent, and each can be closed twice', async () => {
  const other = await openTest();
  await other.create('local');
  expect(await gomote.list()).not.toEqual(await other.list());
  await other.close();
  await other.close();
  expect((await buildlet.run('true')).ok).toBe(true);
});
