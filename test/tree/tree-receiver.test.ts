import { createHash, hash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  encodeChanges,
  encodeFailure,
  pathOf,
  type TreeChange,
} from '../../src/protocol/tree-change.ts';
import { treeLimits } from '../../src/protocol/tree-limits.ts';
import { TreeReceiver, type TreeReceiverOptions } from '../../src/tree/tree-receiver.ts';
import type { TreeSink } from '../../src/tree/tree-sink.ts';
import { TreeWriter } from '../../src/tree/tree-writer.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { entryOf, streamOf, writesOf } from '../helpers/tree-server.ts';

const changes = writesOf([
  entryOf('d', 'directory'),
  entryOf('d/a', 'first'),
  entryOf('d/empty', ''),
  entryOf('d/link', { target: 'a' }),
  entryOf('z', 'last'),
]);
const contents = ['first', '', 'last'];
const whole = streamOf(changes, contents);

/** A sink that keeps in words what it is told. */
function recorder(): TreeSink & { told: string[] } {
  const told: string[] = [];
  return {
    told,
    begin: (all) => told.push(`begin ${all.map(pathOf).join(' ')}`),
    apply: (change) => told.push(`apply ${pathOf(change)}`),
    trust: () => told.push('trust'),
    whole: (change, content, sha256) =>
      told.push(`${pathOf(change)} ${content} ${sha256 === hash('sha256', content, 'hex')}`),
    open: (change) => told.push(`${pathOf(change)} `),
    content: (piece) => {
      told.push((told.pop() ?? '') + piece.toString());
    },
    close: (sha256) => {
      const last = told.pop() ?? '';
      const content = last.slice(last.indexOf(' ') + 1);
      told.push(`${last} ${sha256 === hash('sha256', content, 'hex')}`);
    },
  };
}

function read(
  stream: Buffer,
  options: TreeReceiverOptions & { chunkBytes?: number; sink?: TreeSink } = {},
): TreeReceiver {
  const { sink = recorder(), chunkBytes = Infinity } = options;
  const receiver = new TreeReceiver(sink, options);
  for (let at = 0; at < stream.length; at += chunkBytes) {
    const chunk = Buffer.from(stream.subarray(at, at + chunkBytes));
    receiver.push(chunk);
    // A chunk is its giver's again.
    chunk.fill(0xff);
  }
  receiver.finish();
  return receiver;
}

/** Parts, each a head and what follows it. */
function parts(...all: readonly { head: string; contents?: readonly string[] }[]): Buffer {
  const proof = createHash('sha256');
  const pieces: Buffer[] = [];
  for (const { head, contents: files = [] } of all) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(head));
    pieces.push(length);
    for (const text of [head, ...files]) {
      const digest = hash('sha256', text, 'buffer');
      proof.update(digest);
      pieces.push(Buffer.from(text), digest);
    }
  }
  return Buffer.concat([...pieces, Buffer.alloc(4), proof.digest()]);
}

const damage = (reason: string | RegExp) =>
  expect.objectContaining({ code: 'ERR_LOST', message: expect.stringMatching(reason) });

describe('the reader of a tree stream', () => {
  it.each([1, 2, 3, 5, 7, 31, 32, 33, 64, Infinity])(
    'reports the same in chunks of %d bytes',
    (chunkBytes) => {
      const sink = recorder();
      const receiver = read(whole, { sink, chunkBytes });
      expect(sink.told).toEqual([
        'begin d d/a d/empty d/link z',
        'apply d',
        'd/a first true',
        'd/empty  true',
        'apply d/link',
        'z last true',
      ]);
      expect(receiver.proof).toBe(whole.subarray(-32).toString('hex'));
      expect(receiver.isNamed).toBe(false);
    },
  );

  it('rejects a stream that is cut at any byte', () => {
    for (let end = 0; end < whole.length; end++) {
      for (const chunkBytes of [1, Infinity]) {
        expect(() => read(whole.subarray(0, end), { chunkBytes })).toThrow(
          damage('unexpected end'),
        );
      }
    }
    expect(() => read(whole)).not.toThrow();
  });

  it('rejects any changed byte, and keeps nothing that was not verified', () => {
    for (let at = 0; at < whole.length; at++) {
      for (const bit of [1, 0x80]) {
        const wrong = Buffer.from(whole);
        wrong[at] = (wrong[at] ?? 0) ^ bit;
        const root = temporaryDirectory();
        const writer = new TreeWriter(root, 'there');
        expect(() => read(wrong, { sink: writer }), `byte ${at}`).toThrow(damage(''));
        writer.abandon();
        for (const [path, content] of [
          ['d/a', 'first'],
          ['z', 'last'],
        ] as const) {
          const file = join(root, 'there', path);
          expect([undefined, content], `byte ${at}`).toContain(contentOf(file));
        }
      }
    }
    // Hundreds of trees are written, which takes long on a busy disk.
  }, 60_000);

  it.each([
    ['of zeros', Buffer.alloc(32)],
    ['of the last content', hash('sha256', 'last', 'buffer')],
    ['of a stream without the last file', streamOf(changes.slice(0, 4), contents).subarray(-32)],
  ])('refuses a proof at the end %s', (_, endDigest) => {
    const stream = streamOf(changes, contents, { endDigest });
    expect(() => read(stream)).toThrow(damage('wrong digest at its end'));
    const receiver = new TreeReceiver(recorder());
    expect(() => receiver.push(stream)).toThrow(damage('wrong digest at its end'));
    expect(receiver.proof).toBe('');
  });

  it.each([1, 4, 36])('refuses %d bytes after the end', (bytes) => {
    const more = Buffer.concat([whole, Buffer.alloc(bytes)]);
    for (const chunkBytes of [1, whole.length, Infinity]) {
      expect(() => read(more, { chunkBytes })).toThrow(damage('bytes after its end'));
    }
  });

  it('refuses a head beyond the limit before it has arrived', () => {
    const length = (bytes: number) => {
      const field = Buffer.alloc(4);
      field.writeUInt32BE(bytes);
      return field;
    };
    const { headBytes } = treeLimits;
    expect(() => new TreeReceiver(recorder()).push(length(headBytes))).not.toThrow();
    for (const bytes of [headBytes + 1, 0x7fffffff, 0xffffffff]) {
      expect(() => new TreeReceiver(recorder()).push(length(bytes))).toThrow(damage('too long'));
    }
  });

  it('refuses heads that together exceed the limit', () => {
    const head = encodeChanges([{ op: 'remove', path: 'x'.repeat(30_000) }]);
    const part = parts({ head }).subarray(0, 4 + head.length + 32);
    const receiver = new TreeReceiver(recorder());
    const fit = Math.floor(treeLimits.headsBytes / head.length);
    for (let count = 0; count < fit; count++) receiver.push(part);
    expect(() => receiver.push(part)).toThrow(damage('too long'));
  });

  it('refuses more changes than the limit, in any number of parts', () => {
    const one = encodeChanges([{ op: 'remove', path: 'x' }]);
    const part = (head: string) => parts({ head }).subarray(0, -36);
    const half = part(one.repeat(treeLimits.entries / 2));
    const receiver = new TreeReceiver({ ...recorder(), begin: () => {}, apply: () => {} });
    for (const piece of [half, half]) receiver.push(piece);
    expect(() => receiver.push(part(one))).toThrow(damage('too many changes'));
  });

  it.each([
    ['is no text of changes', 'nonsense'],
    ['has a path that climbs', encodeChanges(writesOf([entryOf('../x', 'directory')]))],
    ['is cut', encodeChanges(changes).slice(0, -1)],
    ['names contents that nobody asked for', `n\u00001:2\u0000/tmp`],
  ])('refuses a head that %s', (_, head) => {
    const sink = recorder();
    expect(() => read(parts({ head }), { sink })).toThrow(damage('bad head'));
    expect(sink.told).toEqual([]);
  });

  it('reports nothing of a part whose head is not verified', () => {
    const sink = recorder();
    const wrong = Buffer.from(whole);
    const digestAt = 4 + whole.readUInt32BE(0);
    wrong[digestAt] = (wrong[digestAt] ?? 0) ^ 1;
    expect(() => read(wrong, { sink })).toThrow(damage('wrong digest of its head'));
    expect(sink.told).toEqual([]);
  });

  it('accepts parts one after another, and the reason why there are no more', () => {
    const first = { head: encodeChanges(changes.slice(0, 2)), contents: ['first'] };
    const second = { head: encodeChanges(changes.slice(4)), contents: ['last'] };
    const sink = recorder();
    read(parts(first, second), { sink });
    expect(sink.told).toEqual([
      'begin d d/a',
      'apply d',
      'd/a first true',
      'begin z',
      'z last true',
    ]);
    const failing = recorder();
    const stream = parts(first, { head: encodeFailure('the disk is gone') });
    expect(() => read(stream, { sink: failing })).toThrow(damage(/^the disk is gone$/));
    expect(failing.told).toEqual(sink.told.slice(0, 3));
  });

  it('is not finished with a stream of names before their contents have been copied', () => {
    const top = temporaryDirectory();
    const { ino, dev } = statSync(top);
    const named = `n\u0000${dev}:${ino}\u0000${top}`;
    const change: TreeChange = { op: 'write', entry: entryOf('d', 'directory') };
    const stream = parts({ head: named }, { head: encodeChanges([change]) });
    const sink = recorder();
    const receiver = new TreeReceiver(sink, { named: 'digested' });
    receiver.push(stream);
    expect(receiver.isNamed).toBe(true);
    expect(sink.told).toEqual(['trust', 'begin d']);
    expect(() => receiver.finish()).toThrow(damage('unexpected end'));
    for (const _ of receiver.copy());
    receiver.finish();
    expect(sink.told).toEqual(['trust', 'begin d', 'apply d']);
  });

  it('accepts names only at the beginning', () => {
    const top = temporaryDirectory();
    const { ino, dev } = statSync(top);
    const named = { head: `n\u0000${dev}:${ino}\u0000${top}` };
    const first = { head: encodeChanges([{ op: 'remove', path: 'x' }]) };
    for (const stream of [parts(first, named), parts(named, named)]) {
      expect(() => read(stream, { named: 'digested' })).toThrow(damage('bad head'));
    }
  });
});

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
