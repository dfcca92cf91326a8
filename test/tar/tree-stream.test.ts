import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { pathOf, type TreeChange } from '../../src/protocol/tree-change.ts';
import { TreeReceiver, type TreeReceiverOptions } from '../../src/tree/tree-receiver.ts';
import { sendTree, TreeSender } from '../../src/tree/tree-sender.ts';
import { walkTree } from '../../src/tree/tree-walk.ts';
import { TreeWriter, type TreeWriterOptions } from '../../src/tree/tree-writer.ts';
import { directory, file, names, plant, snapshot, symlink, temporaryDirectory } from './tree.ts';

const writes = (top: string): TreeChange[] =>
  walkTree(top).map((entry) => ({ op: 'write', entry }));

/** Writes the pieces below `root/dir`, pushed in chunks of at most `chunkBytes`. */
function receive(
  root: string,
  pieces: Iterable<Buffer>,
  {
    chunkBytes = Infinity,
    named = 'digested',
    ...options
  }: TreeWriterOptions & TreeReceiverOptions & { chunkBytes?: number } = {},
): string {
  const writer = new TreeWriter(root, 'there', options);
  const receiver = new TreeReceiver(writer, { named });
  try {
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; at += chunkBytes) {
        receiver.push(Buffer.from(piece.subarray(at, at + chunkBytes)));
        for (const _ of receiver.copy());
      }
    }
    receiver.finish();
    writer.finish();
  } finally {
    writer.abandon();
  }
  return receiver.proof;
}

function* inParts(
  sender: TreeSender,
  ...parts: readonly (readonly TreeChange[])[]
): Generator<Buffer> {
  for (const part of parts) yield* sender.part(part);
  yield* sender.end();
}

/** What a tree holds, but for the times of its directories, which are not sent. */
const facts = (root: string): string[] =>
  snapshot(root).map((line) => {
    const told = line.replace(/^("[^"]*" 40\d+) \d+ /, '$1 ');
    return told.length < 200 ? told : createHash('sha256').update(told).digest('hex');
  });

const planted = (): string => {
  const top = temporaryDirectory();
  plant(top, [
    ['a', file('a')],
    [
      'd',
      directory([
        ['big', file('0123456789'.repeat(9_000))],
        ['empty', file('')],
        ['link', symlink('../a')],
      ]),
    ],
    ['z', directory([], 0o700)],
  ]);
  return top;
};

describe('a tree stream', () => {
  it.each([1, 7, 4096, Infinity])('arrives in chunks of %d bytes', (chunkBytes) => {
    const top = planted();
    const root = temporaryDirectory();
    let proof = '';
    const pieces = sendTree(top, writes(top), {
      onProof: (sha256) => {
        proof = sha256;
      },
    });
    expect(receive(root, pieces, { chunkBytes })).toBe(proof);
    expect(facts(join(root, 'there'))).toEqual(facts(top));
  });

  it('may have parts, each of which first announces its changes', () => {
    const top = planted();
    const root = temporaryDirectory();
    const [a, ...others] = writes(top);
    const heads: string[] = [];
    receive(root, inParts(new TreeSender(top), [a as TreeChange], [], others), {
      onHead: (head) => heads.push(head.toString()),
    });
    expect(facts(join(root, 'there'))).toEqual(facts(top));
    expect(heads).toEqual([expect.stringContaining('\0a\0'), expect.stringContaining('\0d/big\0')]);
  });

  it('makes an empty directory from no parts', () => {
    const root = temporaryDirectory();
    receive(root, sendTree('/', []));
    expect(readdirSync(join(root, 'there'))).toEqual([]);
  });

  it('patches a file with its content before the part', () => {
    const top = temporaryDirectory();
    const root = temporaryDirectory();
    plant(top, [['f', file('abcd')]]);
    receive(root, sendTree(top, writes(top)));
    writeFileSync(join(top, 'f'), 'ab-cd');
    const digest = '2bd4cfcd9d2c0fd8c9ae6e1b0e1c1b6f';
    const [entry] = walkTree(top);
    if (entry === undefined) throw new Error('nothing was found');
    const wrong: TreeChange = {
      op: 'write',
      entry: { ...entry, digest },
      patch: { source: 'f', parts: [{ at: 0, length: 2 }, { length: 1 }, { at: 2, length: 2 }] },
    };
    expect(() => receive(root, sendTree(top, [wrong]))).toThrow(/did not arrive as it was sent/);
    expect(readFileSync(join(root, 'there/f'), 'utf8')).toBe('abcd');
  });

  it.each([
    ['is cut', (bytes: Buffer) => bytes.subarray(0, -1), /unexpected end/],
    ['goes on', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)]), /bytes after its end/],
  ])('fails when it %s', (_, change, message) => {
    const top = planted();
    const root = temporaryDirectory();
    const whole = Buffer.concat([...sendTree(top, writes(top))]);
    expect(() => receive(root, [change(whole)])).toThrow(message);
  });

  it('leaves nothing of a new tree when a later part is refused', () => {
    const top = planted();
    const root = temporaryDirectory();
    const bad = temporaryDirectory();
    plant(bad, [['evil', symlink('../../../etc')]]);
    const pieces = inParts(new TreeSender(top), writes(top), writes(bad));
    expect(() => receive(root, pieces)).toThrow(/leads out of the work directory/);
    expect(names(root)).toEqual([]);
  });

  describe.each([
    ['sent', false],
    ['named', true],
  ])('gives up a file that is %s and', (_, isNamed) => {
    const size = { small: 10, large: 700_000 };
    const faults: [what: string, path: string, spoil: (path: string) => void][] = [
      ['has grown', 'small', (path) => appendFileSync(path, 'more')],
      ['has grown', 'large', (path) => appendFileSync(path, 'more')],
      ['has shrunk', 'small', (path) => truncateSync(path, 3)],
      ['has shrunk', 'large', (path) => truncateSync(path, 300_000)],
      ['has gone', 'small', (path) => rmSync(path)],
      ['is a link now', 'large', (path) => [rmSync(path), symlinkSync('other', path)]],
      ['is a directory now', 'small', (path) => [rmSync(path), mkdirSync(path)]],
    ];
    it.each(faults)('%s: %s; the rest arrives', (__, path, spoil) => {
      const top = temporaryDirectory();
      for (const [name, bytes] of Object.entries(size)) {
        writeFileSync(join(top, name), 'x'.repeat(bytes));
        writeFileSync(join(top, `${name}.next`), name);
      }
      const changes = writes(top);
      spoil(join(top, path));
      for (const chunkBytes of [7, 4096, Infinity]) {
        const root = temporaryDirectory();
        const given: string[] = [];
        const writer = new TreeWriter(root, 'there');
        const sink = Object.assign(writer, {
          giveUp: (change: TreeChange) => {
            writer.discard();
            given.push(pathOf(change));
          },
        });
        const pieces = sendTree(top, changes, { isNamed, givesUpFiles: true });
        const receiver = new TreeReceiver(sink, { named: 'digested' });
        for (const piece of pieces) {
          for (let at = 0; at < piece.length; at += chunkBytes) {
            receiver.push(Buffer.from(piece.subarray(at, at + chunkBytes)));
          }
        }
        for (const __ of receiver.copy());
        receiver.finish();
        writer.finish();
        expect(given).toEqual([path]);
        expect(readdirSync(join(root, 'there')).sort()).toEqual(
          ['large', 'large.next', 'small', 'small.next'].filter((name) => name !== path),
        );
      }
    });
  });

  it('with an abandoned file ends for a reader without support for that', () => {
    const top = planted();
    const changes = writes(top);
    truncateSync(join(top, 'a'), 0);
    const pieces = sendTree(top, changes, { givesUpFiles: true });
    expect(() => receive(temporaryDirectory(), pieces)).toThrow(/"a" did not arrive/);
  });

  it.each([
    ['sent', false],
    ['named', true],
  ])('leaves holes where a file that is %s is long without content', (_, isNamed) => {
    const top = temporaryDirectory();
    const bytes = 4 << 20;
    const contents: Record<string, number> = { start: 0, middle: bytes / 2 + 11, end: bytes - 5 };
    for (const [name, at] of Object.entries(contents)) {
      const fd = openSync(join(top, name), 'w');
      ftruncateSync(fd, bytes);
      writeSync(fd, 'hello', at);
      closeSync(fd);
    }
    writeFileSync(join(top, 'nothing'), '');
    truncateSync(join(top, 'nothing'), bytes);
    const root = temporaryDirectory();
    receive(root, sendTree(top, writes(top), { isNamed }));
    expect(facts(join(root, 'there'))).toEqual(facts(top));
    for (const name of readdirSync(top)) {
      const { size, blocks } = statSync(join(root, 'there', name));
      expect([name, size, blocks * 512 < 2 << 20]).toEqual([name, bytes, true]);
    }
  });

  it('gives its reader the reason when it cannot continue', () => {
    const top = planted();
    const root = temporaryDirectory();
    const sender = new TreeSender(top);
    const pieces = [...sender.part(writes(top)), ...sender.failure(new Error('out of luck'))];
    expect(() => receive(root, pieces)).toThrow(/^out of luck$/);
    expect(names(join(root, 'there'))).toContain('d/big');
  });

  it('keeps complete files when it ends early', () => {
    const top = planted();
    const root = temporaryDirectory();
    const whole = Buffer.concat([...sendTree(top, writes(top))]);
    expect(() => receive(root, [whole.subarray(0, 1000)])).toThrow(/unexpected end/);
    expect(names(root)).toEqual(['there', 'there/a', 'there/d']);
  });
});

describe('a tree stream that names its contents', () => {
  it.each([1, 7, Infinity])('creates the files, arriving in chunks of %d bytes', (chunkBytes) => {
    const top = planted();
    const root = temporaryDirectory();
    const digests = new Map<string, string>();
    const sender = new TreeSender(top, { isNamed: true });
    const [a, ...others] = writes(top);
    const pieces = [...inParts(sender, [a as TreeChange], others)];
    const onDone = (change: TreeChange, digest: string) => {
      if (change.op === 'write') digests.set(change.entry.path, digest);
    };
    receive(root, pieces, { chunkBytes, onDone });
    expect(facts(join(root, 'there'))).toEqual(facts(top));
    expect(Buffer.concat(pieces).length).toBeLessThan(1000);
    const big = createHash('sha256')
      .update(readFileSync(join(top, 'd/big')))
      .digest('hex');
    expect(digests.get('d/big')).toBe(big);
  });

  const named = (top: string, change: (bytes: Buffer) => Buffer = (bytes) => bytes): Buffer[] => [
    change(Buffer.concat([...sendTree(top, writes(top), { isNamed: true })])),
  ];

  it('is refused, before anything is made, if its directory is a different one here', () => {
    const top = planted();
    const root = temporaryDirectory();
    const pieces = named(top);
    renameSync(top, `${top}.old`);
    onTestFinished(() => rmSync(`${top}.old`, { recursive: true }));
    for (const meanwhile of ['nothing', 'another']) {
      if (meanwhile === 'another') mkdirSync(top);
      expect(() => receive(root, pieces)).toThrow(
        expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
      );
    }
    expect(readdirSync(root)).toEqual([]);
  });

  it.each([
    ['is cut', (bytes: Buffer) => bytes.subarray(0, -1), /unexpected end/],
    ['has contents after all', (bytes: Buffer) => Buffer.concat([bytes, bytes]), /after its end/],
  ])('fails when it %s', (_, change, message) => {
    const top = planted();
    expect(() => receive(temporaryDirectory(), named(top, change))).toThrow(message);
  });

  it('is refused by a reader that has not asked for it', () => {
    const top = planted();
    const root = temporaryDirectory();
    const receiver = new TreeReceiver(new TreeWriter(root, 'there'));
    expect(() => receiver.push(named(top)[0] as Buffer)).toThrow(/bad head/);
    expect(readdirSync(root)).toEqual([]);
  });

  it('has no patches', () => {
    const top = planted();
    const [entry] = walkTree(top);
    if (entry === undefined) throw new Error('nothing was found');
    const patch = { source: 'd/big', parts: [{ length: entry.size }] };
    const pieces = sendTree(top, [{ op: 'write', entry, patch }], { isNamed: true });
    expect(() => receive(temporaryDirectory(), pieces)).toThrow(/a patch without its contents/);
  });

  it('is copied in steps, and leaves no partial file when it is cancelled between two', () => {
    const top = temporaryDirectory();
    const root = temporaryDirectory();
    plant(top, [
      ['a', file('a')],
      ['big', file(Buffer.alloc(20 << 20, 'big'))],
    ]);
    const writer = new TreeWriter(root, 'there');
    const receiver = new TreeReceiver(writer, { named: 'undigested' });
    for (const piece of named(top)) receiver.push(piece);
    let steps = 0;
    for (const _ of receiver.copy()) if (++steps === 2) break;
    expect(names(root).filter((name) => name.endsWith('/a'))).toHaveLength(1);
    writer.abandon();
    expect(names(root)).toEqual(['there', 'there/a']);
  });
});
