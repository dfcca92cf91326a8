// The store of another process of this user, read alone.
import { hash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileIdentity } from '../../src/files/file-identity.ts';
import { formatStoreAt, parseStoreAt } from '../../src/protocol/stored.ts';
import { ContentStore } from '../../src/store/content-store.ts';
import { openStoreAt } from '../../src/store/store-at.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const content = Buffer.from('content');
const digest = hash('sha256', content, 'hex');

function plant() {
  const root = join(temporaryDirectory(), 'store');
  const store = new ContentStore({ root, room: 'one', limitBytes: 64 << 20 });
  const path = join(root, 'one');
  const put = (bytes: Buffer) => {
    store.put(hash('sha256', bytes, 'hex'), bytes);
    store.flush();
  };
  put(content);
  return { root, path, put, at: { path, identity: fileIdentity(path) } };
}

describe('a store of another process', () => {
  it('gives its contents, and later ones', () => {
    const { at, put } = plant();
    expect(openStoreAt(at)?.get(digest, content.length)).toEqual(content);
    const later = Buffer.from('later');
    put(later);
    expect(openStoreAt(at)?.get(hash('sha256', later, 'hex'), later.length)).toEqual(later);
  });

  it('is not written to', () => {
    const { at, path } = plant();
    const before = readdirSync(path);
    const store = openStoreAt(at);
    const other = Buffer.from('other');
    store?.put(hash('sha256', other, 'hex'), other);
    store?.flush();
    expect(readdirSync(path)).toEqual(before);
    expect(store?.has(hash('sha256', other, 'hex'), other.length)).toBe(false);
  });

  it.each<[string, (plot: ReturnType<typeof plant>) => { path: string; identity: string }]>([
    ['is another directory', ({ path }) => ({ path, identity: '1:2' })],
    ['is missing', ({ root, at }) => ({ ...at, path: join(root, 'two') })],
    ['is not an absolute path', ({ at }) => ({ ...at, path: 'store/one' })],
    [
      'is open to others',
      ({ path, at }) => {
        chmodSync(path, 0o755);
        return at;
      },
    ],
    [
      'is a link',
      ({ path, at }) => {
        renameSync(path, `${path}.real`);
        symlinkSync(`${path}.real`, path);
        return at;
      },
    ],
    [
      'has been made anew',
      ({ path, at }) => {
        renameSync(path, `${path}.old`);
        mkdirSync(path, { mode: 0o700 });
        return at;
      },
    ],
  ])('is not opened when it %s', (_, plotted) => {
    const plot = plant();
    expect(openStoreAt(plotted(plot))).toBeUndefined();
    expect(readdirSync(plot.root)).not.toContain('two');
  });
});

describe('the header that says where a store is', () => {
  it('accepts any path', () => {
    for (const path of ['/a b', '/é\n\0', '/%41']) {
      expect(parseStoreAt(formatStoreAt({ path, identity: '1:2' }))).toEqual({
        path,
        identity: '1:2',
      });
    }
  });

  it.each(['', '1:2', '1:2 ', ':2 /a', '1:2 /a /b', '1:2 %', 'x:y %2Fa', undefined])(
    'is refused as %j',
    (text) => expect(parseStoreAt(text)).toBeUndefined(),
  );
});
