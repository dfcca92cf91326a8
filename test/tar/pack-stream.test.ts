// Packing while the tree changes, the reader leaves or the caller gives up.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type PackOptions, packTar } from '../../src/tar/pack.ts';
import { collect, unpack } from './raw-archive.ts';
import { countedSignal, directory, file, plant, temporaryDirectory } from './tree.ts';

const modes: [what: string, options: PackOptions][] = [
  ['several gzip members', {}],
  ['one gzip member', { release: true }],
];

/** Ways to change a tree behind the back of whoever reads it; each gives the name that is told. */
const changes: [what: string, change: (root: string) => void, name: string][] = [
  ['a file that shrinks', (root) => truncateSync(join(root, 'b-big'), 5_000_000), 'b-big'],
  ['a file that becomes empty', (root) => truncateSync(join(root, 'b-big'), 0), 'b-big'],
  ['a file that grows', (root) => appendFileSync(join(root, 'b-big'), 'x'), 'b-big'],
  ['a file that vanishes', (root) => rmSync(join(root, 'c')), 'c'],
  ['a directory that vanishes', (root) => rmSync(join(root, 'd'), { recursive: true }), 'd'],
  [
    'a file that becomes a FIFO',
    (root) => {
      rmSync(join(root, 'c'));
      execFileSync('mkfifo', [join(root, 'c')]);
    },
    'c',
  ],
  [
    'a file that becomes a link',
    (root) => {
      rmSync(join(root, 'c'));
      symlinkSync('/etc/passwd', join(root, 'c'));
    },
    'c',
  ],
];

const changesByMode = modes.flatMap(([mode, options]) =>
  changes.map(([what, change, name]) => ({ what, mode, options, change, name })),
);

test.each(changesByMode)(
  '$what is a lost stream that nobody takes for a complete one ($mode)',
  async ({ options, change, name }) => {
    const root = temporaryDirectory();
    plant(root, [
      ['a', file(randomBytes(1 << 20))],
      ['b-big', file(randomBytes(12 << 20))],
      ['c', file('content')],
      ['d', directory([['e', file('content')]])],
    ]);
    const chunks: Buffer[] = [];
    const read = async () => {
      let received = 0;
      for await (const chunk of packTar(root, '.', options)) {
        chunks.push(chunk);
        const before = received;
        received += chunk.length;
        // More than the first file has come, and the second is larger than all that is read ahead: it is open now.
        if (before < 2 << 20 && received >= 2 << 20) change(root);
      }
    };
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_LOST',
      message: `${name} changed while it was read`,
    });
    const sent = Buffer.concat(chunks);
    expect(() => gunzipSync(sent)).toThrow('unexpected end of file');
    await expect(unpack(sent, temporaryDirectory())).rejects.toMatchObject({ code: 'ERR_ARCHIVE' });
  },
);

const openFiles = (root: string): string[] =>
  readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((path) => path.startsWith(`${root}/`));

function bigFile(): string {
  const root = temporaryDirectory();
  writeFileSync(join(root, 'big'), randomBytes(12 << 20));
  return root;
}

test.each(modes)('a reader that leaves early leaves no file open (%s)', async (_what, options) => {
  const root = bigFile();
  const packed = packTar(root, '.', options);
  await packed.next();
  expect(openFiles(root)).toEqual([join(root, 'big')]);
  await packed.return();
  expect(openFiles(root)).toEqual([]);
});

test.each(modes)(
  'an abort closes the file at once and ends the stream (%s)',
  async (_what, options) => {
    const root = bigFile();
    const controller = new AbortController();
    const packed = packTar(root, '.', { ...options, signal: controller.signal });
    await packed.next();
    controller.abort(new Error('enough'));
    expect(openFiles(root)).toEqual([]);
    const error = { code: 'ERR_ABORTED', cause: new Error('enough') };
    await expect(collect(packed)).rejects.toMatchObject(error);
  },
);

test.each(modes)(
  'packing does not begin with a signal that has already aborted (%s)',
  async (_what, options) => {
    const signal = AbortSignal.abort();
    const packed = packTar(temporaryDirectory(), '.', { ...options, signal });
    await expect(packed.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  },
);

test('a slow reader slows the packing', async () => {
  const root = bigFile();
  const packed = packTar(root, '.');
  await packed.next();
  const info = () => execFileSync('cat', [`/proc/${process.pid}/fdinfo/${bigFd(root)}`]).toString();
  const position = () => Number(/pos:\s*([0-9]+)/.exec(info())?.[1]);
  const before = position();
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(position()).toBe(before);
  expect(before).toBeLessThan(10 << 20);
  await packed.return();
});

const bigFd = (root: string): string =>
  readdirSync('/proc/self/fd').find((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === join(root, 'big');
    } catch {
      return false;
    }
  })!;

test('no listener stays on the signal', async () => {
  const { signal, listeners } = countedSignal();
  const root = bigFile();
  await collect(packTar(root, '.', { signal }));
  await packTar(root, 'absent', { signal })
    .next()
    .catch(() => {});
  const left = packTar(root, '.', { signal });
  await left.next();
  await left.return();
  expect(listeners()).toBe(0);
});
