// The store of contents: what it gives is what was put, whatever happens to its files.
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ContentStore } from '../../src/store/content-store.ts';
import { evict } from '../../src/store/eviction.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
const mebibyte = 1 << 20;

function open({ root = temporaryDirectory(), room = 'own', limitBytes = 64 * mebibyte } = {}) {
  const directory = join(root, 'store');
  const store = () => new ContentStore({ root: directory, room, limitBytes });
  const at = join(directory, room);
  return {
    root,
    at,
    store,
    files: (end: string) => readdirSync(at).filter((n) => n.endsWith(end)),
  };
}

const put = (store: ContentStore, ...contents: Buffer[]): void => {
  for (const content of contents) store.put(sha256(content), content);
  store.flush();
};
const get = (store: ContentStore, content: Buffer) => store.get(sha256(content), content.length);
function readAll(store: ContentStore, content: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (const piece of store.read(sha256(content), content.length) ?? [])
    pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

describe('a store of contents', () => {
  it('stores again when its directory was removed', () => {
    const { root, store } = open();
    const opened = store();
    const content = Buffer.from('some');
    put(opened, content);
    for (const room of ['store', 'store/own']) {
      rmSync(join(root, room), { recursive: true });
      opened.refresh();
      expect(opened.has(sha256(content), content.length)).toBe(false);
      put(opened, content);
      expect(get(store(), content)).toEqual(content);
    }
  });

  it('gives what was put, to this process, to an earlier and to a later one', () => {
    const { store } = open();
    const [first, beside] = [store(), store()];
    const contents = [Buffer.alloc(0), Buffer.from('a'), randomBytes(3 * mebibyte)];
    put(first, ...contents);
    beside.refresh();
    for (const one of [first, beside, store()]) {
      for (const content of contents) {
        expect(one.has(sha256(content), content.length)).toBe(true);
        expect(get(one, content)?.equals(content)).toBe(true);
      }
    }
  });

  it('keeps a content that arrives in pieces, small or large, only under its own digest', () => {
    const { store, files } = open();
    const one = store();
    for (const size of [10, 9 * mebibyte]) {
      const content = randomBytes(size);
      for (const digest of [sha256(Buffer.from('another')), sha256(content)]) {
        const writer = one.begin();
        writer.write(content.subarray(0, size / 2));
        writer.write(content.subarray(size / 2));
        writer.end(digest);
        one.flush();
        expect(one.has(digest, size)).toBe(digest === sha256(content));
      }
      expect(readAll(store(), content).equals(content)).toBe(true);
    }
    const dropped = one.begin();
    dropped.write(randomBytes(9 * mebibyte));
    const before = files('.pack').length;
    dropped.drop();
    expect(files('.pack').length).toBe(before - 1);
  });

  it('has nothing of another area', () => {
    const root = temporaryDirectory();
    const content = randomBytes(100);
    put(open({ root, room: 'alice' }).store(), content);
    const other = open({ root, room: 'bob' }).store();
    expect(other.has(sha256(content), 100)).toBe(false);
    expect(get(other, content)).toBeUndefined();
    expect(other.read(sha256(content), 100)).toBeUndefined();
  });

  it('has nothing for a right digest with a wrong size', () => {
    const { store } = open();
    const one = store();
    put(one, Buffer.from('content'));
    expect(one.has(sha256(Buffer.from('content')), 6)).toBe(false);
  });

  it.each(['a flipped bit', 'a cut pack', 'no pack', 'a list cut in a record', 'a list of noise'])(
    'takes content with %s for missing, and keeps it when it arrives again',
    (damage) => {
      const { at, store, files } = open();
      const content = randomBytes(1000);
      put(store(), content);
      const [pack = '', list = ''] = [files('.pack')[0], files('.list')[0]].map((n) =>
        join(at, n ?? ''),
      );
      if (damage === 'a flipped bit') {
        const bytes = readFileSync(pack);
        bytes[500] = (bytes[500] ?? 0) ^ 4;
        writeFileSync(pack, bytes);
      } else if (damage === 'a cut pack') truncateSync(pack, 999);
      else if (damage === 'no pack') rmSync(pack);
      else if (damage === 'a list cut in a record') truncateSync(list, 43);
      else writeFileSync(list, randomBytes(440));
      const one = store();
      expect(get(one, content)).toBeUndefined();
      expect(one.has(sha256(content), 1000)).toBe(false);
      put(one, content);
      expect(get(one, content)?.equals(content)).toBe(true);
      // The later copy counts for others as well.
      expect(get(store(), content)?.equals(content)).toBe(true);
    },
  );

  it('takes the later of two copies, also when the clock was set back between them', () => {
    const { at, store, files } = open();
    const content = randomBytes(1000);
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    vi.setSystemTime(2_000_000_000_000);
    put(store(), content);
    truncateSync(join(at, files('.pack')[0] ?? ''), 999);
    vi.setSystemTime(1_000_000_000_000);
    const one = store();
    expect(get(one, content)).toBeUndefined();
    put(one, content);
    expect(get(store(), content)?.equals(content)).toBe(true);
  });

  it('stays below its limit, and keeps what was of use last', () => {
    const limitBytes = 8 * mebibyte;
    const { at, store, files } = open({ limitBytes });
    const contents = Array.from({ length: 20 }, () => randomBytes(mebibyte - 100));
    const [used = Buffer.alloc(0)] = contents;
    const one = store();
    contents.forEach((content, index) => {
      put(one, content);
      // As if hours lay between.
      for (const name of readdirSync(at)) {
        const { mtimeMs } = statSync(join(at, name));
        utimesSync(join(at, name), mtimeMs / 1000 - 60, mtimeMs / 1000 - 60);
      }
      one.refresh();
      expect(get(one, used)?.equals(used), `after ${index}`).toBe(true);
    });
    const bytes = files('.pack').reduce((sum, name) => sum + statSync(join(at, name)).size, 0);
    expect(bytes).toBeLessThanOrEqual(limitBytes);
    expect(bytes).toBeGreaterThan(limitBytes / 2);
    expect(get(one, contents.at(-1) ?? used)).toBeDefined();
    expect(get(one, contents[1] ?? used)).toBeUndefined();
  });

  it('keeps nothing that is too large for it, nor anything with a limit of 0', () => {
    for (const [limitBytes, size] of [
      [0, 10],
      [2 * mebibyte, 1.5 * mebibyte],
    ] as const) {
      const { store, files } = open({ limitBytes });
      const one = store();
      const content = randomBytes(size);
      put(one, content);
      const writer = one.begin();
      writer.write(content);
      writer.end(sha256(content));
      expect(one.has(sha256(content), size)).toBe(false);
      expect(files('')).toEqual([]);
    }
  });

  it('continues when its files are removed', () => {
    const { at, store } = open();
    const one = store();
    const content = randomBytes(100);
    put(one, content);
    for (const name of readdirSync(at)) rmSync(join(at, name));
    put(one, Buffer.from('more'));
    one.refresh();
    expect(get(one, content)).toBeUndefined();
    put(one, content);
    expect(get(one, content)?.equals(content)).toBe(true);
    one.close();
  });

  it('ignores older packs than its memory should hold, whatever their lists claim', () => {
    const { at, store, files } = open();
    const old = Buffer.from('old');
    put(store(), old);
    // They take no room on the disk.
    for (let count = 0; count < 5; count++) {
      const stem = join(at, `zzzzzzzz${count}-000000000000`);
      for (const end of ['.list', '.pack']) {
        writeFileSync(stem + end, '');
        truncateSync(stem + end, 44 << 20);
      }
    }
    const one = store();
    expect(get(one, old)).toBeUndefined();
    for (const name of files('')) if (name.startsWith('zz')) rmSync(join(at, name));
    one.refresh();
    expect(get(one, old)?.equals(old)).toBe(true);
  });

  it('removes nothing behind a link that took the place of a directory', () => {
    const { root, store } = open({ limitBytes: 2 * mebibyte });
    const other = join(root, 'git');
    mkdirSync(join(other, 'own'), { recursive: true });
    for (const name of ['pack-1.pack', 'own/pack-2.pack']) {
      writeFileSync(join(other, name), randomBytes(mebibyte));
      utimesSync(join(other, name), 1, 1);
    }
    const one = store();
    symlinkSync(other, join(root, 'store', 'room'));
    put(one, ...Array.from({ length: 8 }, () => randomBytes(mebibyte / 2)));
    rmSync(join(root, 'store'), { recursive: true });
    symlinkSync(other, join(root, 'store'));
    evict(join(root, 'store'), 0);
    expect(readdirSync(other, { recursive: true }).sort()).toEqual([
      ...['own', 'own/pack-2.pack', 'pack-1.pack'],
    ]);
  });

  it('does not fail callers when it cannot write', () => {
    const { at, store } = open();
    const one = store();
    rmSync(at, { recursive: true });
    writeFileSync(at, '');
    put(one, Buffer.from('content'));
    const writer = one.begin();
    writer.write(randomBytes(9 * mebibyte));
    writer.end('00'.repeat(32));
    one.refresh();
    expect(one.count).toBe(0);
    one.close();
  });

  it('is not opened where others may write', () => {
    const { at, store } = open();
    store().close();
    chmodSync(at, 0o777);
    expect(store).toThrow('the content store');
  });

  it('ignores what is appended to a list beside it', () => {
    const { at, store, files } = open();
    const one = store();
    put(one, Buffer.from('content'));
    appendFileSync(join(at, files('.list')[0] ?? ''), Buffer.alloc(44, 0xff));
    expect(get(store(), Buffer.from('content'))).toBeDefined();
  });

  it('finds each of 100,000 contents', () => {
    const { store } = open();
    const one = store();
    const contents = Array.from({ length: 100_000 }, (_, index) => Buffer.from(`content ${index}`));
    put(one, ...contents);
    const digests = contents.map((content) => [sha256(content), content.length] as const);
    const later = store();
    expect(later.count).toBe(100_000);
    expect(digests.every(([digest, size]) => later.has(digest, size))).toBe(true);
  });
});
