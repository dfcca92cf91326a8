// A session's log as it comes over one connection: every byte once, what is missing counted, and nothing believed unproved.
import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { LogCopier } from '../../../src/client/runs/session-reader.ts';
import { formatRecord, recordHeader } from '../../../src/protocol/log-records.ts';
import { Collector } from '../../helpers/collect.ts';

const { signal } = new AbortController();

const output = (kind: 'out' | 'err', offset: number, text: string): Buffer =>
  Buffer.from(`${recordHeader(kind, offset, text.length)}${text}`);

const gap = (to: number, stdout: number, stderr: number, from = 0): Buffer =>
  formatRecord('gap', JSON.stringify({ from, to, stdout, stderr }));

const sumOf = (text: string) => ({
  bytes: text.length,
  sha256: createHash('sha256').update(text).digest('hex'),
});

const time = '2026-01-01T00:00:00Z';
const end = (stdout: string, stderr: string, change: object = {}): Buffer =>
  formatRecord(
    'end',
    JSON.stringify({
      ...{ code: 0, signal: null, why: 'exit', state: 'ok', started: time, ended: time },
      ...{ durationMs: 1, stdout: sumOf(stdout), stderr: sumOf(stderr), ...change },
    }),
  );

type Body = Parameters<LogCopier['copy']>[0];
const bodyOf = (pieces: Iterable<Buffer>): Body =>
  Readable.from(pieces, { objectMode: false }) as Body;

/** Copies each log as one connection brings it. */
async function copy(
  logs: readonly (readonly Buffer[])[],
  { from = 0, until }: { from?: number; until?: number } = {},
) {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const copier = new LogCopier({ stdout, stderr }, from, until);
  const told: number[] = [];
  const failures: unknown[] = [];
  for (const log of logs) {
    const onTaken = () => told.push(copier.position);
    await copier.copy(bodyOf(log), { signal, onTaken }).catch((error) => failures.push(error));
  }
  return { copier, stdout: () => stdout.text, stderr: () => stderr.text, told, failures };
}

describe('the output of a log', () => {
  it('is written once, wherever it is split', async () => {
    const log = Buffer.concat([
      output('out', 0, 'hello '),
      output('err', 0, 'oops'),
      formatRecord('ping' as 'gap', ''),
      output('out', 6, 'world'),
      end('hello world', 'oops'),
    ]);
    for (let at = 1; at < log.length; at++) {
      const found = await copy([[log.subarray(0, at), log.subarray(at)]]);
      expect(found.failures).toEqual([]);
      expect([found.stdout(), found.stderr()]).toEqual(['hello world', 'oops']);
      const closing = found.copier.end;
      expect(closing && found.copier.verify(closing)).toBe(true);
    }
  });

  it('that arrives again is not written again', async () => {
    const [first, second] = [output('out', 0, 'hello'), output('out', 5, ' world')];
    const { failures, ...found } = await copy([
      // Cut in the middle of a record: its beginning has been written.
      [first, second.subarray(0, -3)],
      [second, output('out', 8, 'rld!'), end('hello world!', '')],
    ]);
    expect(failures).toEqual([]);
    expect(found.stdout()).toBe('hello world!');
    expect(found.copier.lostBytes).toBe(0);
    expect(found.copier.end && found.copier.verify(found.copier.end)).toBe(true);
  });

  it.each([
    ['at its beginning', [output('out', 1, 'ello')], '', ''],
    ['in its middle', [output('out', 0, 'h'), output('out', 2, 'llo')], 'h', ''],
    ['of the other stream', [output('out', 0, 'h'), output('err', 1, 'x')], 'h', ''],
    ['after a gap', [gap(50, 5, 0), output('out', 6, 'x')], '', ''],
    ['of the stream that a gap left alone', [gap(50, 5, 0), output('err', 5, 'x')], '', ''],
  ])('that skips some %s is ERR_REPLY', async (_where, log, stdout, stderr) => {
    const found = await copy([[...log, end('hello', '')]]);
    expect(found.failures).toMatchObject([{ code: 'ERR_REPLY', message: /skips/ }]);
    expect([found.stdout(), found.stderr()]).toEqual([stdout, stderr]);
    expect(found.copier.isDone).toBe(false);
  });

  it('that is read from elsewhere begins at its first record', async () => {
    const found = await copy([[output('out', 70, 'abc'), output('err', 9, 'x'), end('abc', 'x')]], {
      from: 100,
    });
    expect(found.failures).toEqual([]);
    expect([found.stdout(), found.stderr()]).toEqual(['abc', 'x']);
    // What came before is not known: nothing is proved.
    expect(found.copier.end && found.copier.verify(found.copier.end)).toBe(false);
    expect(found.copier.lostBytes).toBe(0);
  });
});

describe('the dropped output of a log', () => {
  it.each([
    [3, 0, 3],
    [0, 4, 4],
    [3, 4, 7],
    [4, 3, 7],
    [5, 5, 10],
  ])('is counted over both streams: %d and %d are %d', async (stdout, stderr, lost) => {
    const log = [gap(50, stdout, stderr), output('out', stdout, 'a'), output('err', stderr, 'b')];
    const found = await copy([[...log, end('', '')]]);
    expect(found.failures).toEqual([]);
    expect([found.stdout(), found.stderr()]).toEqual(['a', 'b']);
    expect(found.copier.lostBytes).toBe(lost);
    expect(found.copier.end && found.copier.verify(found.copier.end)).toBe(false);
  });

  it('is counted only if it had not been read, and added up', async () => {
    const found = await copy([
      [
        output('out', 0, 'ab'),
        gap(50, 5, 0),
        gap(90, 9, 2),
        gap(90, 3, 1),
        output('out', 9, 'c'),
        end('', ''),
      ],
    ]);
    expect(found.failures).toEqual([]);
    expect(found.copier.lostBytes).toBe(3 + 4 + 2);
    expect(found.stdout()).toBe('abc');
  });

  it('moves the place where the log continues', async () => {
    const { copier } = await copy([[gap(50, 5, 0)]]);
    expect(copier.position).toBe(50);
  });

  it('before what is read from elsewhere is not counted', async () => {
    const { copier } = await copy([[gap(500, 70, 8), output('out', 70, 'x')]], { from: 100 });
    expect(copier.lostBytes).toBe(0);
  });

  it('cannot move the log back', async () => {
    const log = [output('out', 0, 'a long enough text'), gap(3, 0, 0)];
    const { failures } = await copy([log]);
    expect(failures).toMatchObject([{ code: 'ERR_REPLY', message: /back/ }]);
  });
});

describe('the closing record', () => {
  it.each([
    ['less output', [output('out', 0, 'hell')], 'hello', ''],
    ['more output', [output('out', 0, 'hello!')], 'hello', ''],
    ['other output', [output('out', 0, 'hallo')], 'hello', ''],
    ['no output', [], 'hello', ''],
    ['less on stderr', [output('out', 0, 'hello')], 'hello', 'oops'],
    ['other on stderr', [output('out', 0, 'hello'), output('err', 0, 'oqps')], 'hello', 'oops'],
    [
      'the streams exchanged',
      [output('out', 0, 'oops'), output('err', 0, 'hello')],
      'hello',
      'oops',
    ],
  ])('with %s than it says is ERR_LOST', async (_what, log, stdout, stderr) => {
    const { copier, failures } = await copy([[...log, end(stdout, stderr)]]);
    expect(failures).toEqual([]);
    const closing = copier.end;
    if (closing === undefined) throw new Error('no closing record');
    expect(() => copier.verify(closing)).toThrow(
      expect.objectContaining({ code: 'ERR_LOST' }) as Error,
    );
  });

  it('reports in its failure how much arrived', async () => {
    const { copier } = await copy([[output('out', 0, 'hello!'), end('hello', '')]]);
    const closing = copier.end;
    expect(() => closing && copier.verify(closing)).toThrow('stdout came with 6 bytes, not 5');
  });

  it('is required: a log that ends without it is not complete', async () => {
    const { copier, failures } = await copy([[output('out', 0, 'hello')]]);
    expect(failures).toEqual([]);
    expect([copier.isDone, copier.end]).toEqual([false, undefined]);
  });

  it('that is damaged on its way is ERR_REPLY', async () => {
    const record = end('', '');
    record[record.length - 5] = (record[record.length - 5] ?? 0) ^ 1;
    const { copier, failures } = await copy([[record]]);
    expect(failures).toMatchObject([{ code: 'ERR_REPLY' }]);
    expect(copier.isDone).toBe(false);
  });
});

describe('a reader', () => {
  it('up to an offset stops there, and is told of every step', async () => {
    const first = output('out', 0, 'hello');
    const found = await copy([[first, output('out', 5, ' world'), end('hello world', '')]], {
      until: first.length,
    });
    expect(found.copier.isDone).toBe(true);
    expect(found.copier.end).toBeUndefined();
    expect(found.copier.position).toBe(first.length);
    expect(found.stdout()).toBe('hello');
    expect(found.told).toContain(first.length);
  });

  it('has heard something only if something has arrived since it was asked', async () => {
    const { copier } = await copy([[output('out', 0, 'x')]]);
    expect([copier.wasHeard(), copier.wasHeard()]).toEqual([true, false]);
  });

  it('with a slow output waits for it, and counts as heard meanwhile', async () => {
    const waiting: (() => void)[] = [];
    const stdout = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => void waiting.push(done),
    });
    const copier = new LogCopier({ stdout }, 0);
    const log = [output('out', 0, 'a'), output('out', 1, 'b'), end('ab', '')];
    const copying = copier.copy(bodyOf(log), { signal });
    await new Promise((resolve) => setImmediate(resolve));
    while (!copier.isDone || waiting.length > 0) {
      if (waiting.length > 0 && !copier.isDone) {
        expect([copier.wasHeard(), copier.wasHeard()]).toEqual([true, true]);
      }
      waiting.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await copying;
    expect(copier.end && copier.verify(copier.end)).toBe(true);
  });

  it('fails when its output fails, and releases the reply', async () => {
    const why = new Error('no more room');
    const stdout = new Writable({ write: (_chunk, _encoding, done) => done(why) });
    stdout.on('error', () => undefined);
    const body = bodyOf(
      (function* () {
        for (let n = 0; ; n++) yield output('out', n, 'x');
      })(),
    );
    await expect(new LogCopier({ stdout }, 0).copy(body, { signal })).rejects.toBe(why);
    expect(body.destroyed).toBe(true);
  });

  it.each([
    ['the connection breaks', (body: Body) => body.destroy(new Error('cut')), 'ERR_LOST'],
    ['it is cancelled', (_body: Body, leave: AbortController) => leave.abort(), 'ERR_ABORTED'],
  ])('fails when %s', async (_what, act, code) => {
    const leave = new AbortController();
    const body = new Readable({ read: () => undefined }) as Body;
    const copying = new LogCopier({}, 0).copy(body, { signal: leave.signal });
    setImmediate(() => act(body, leave));
    await expect(copying).rejects.toMatchObject({ code });
    expect(body.destroyed).toBe(true);
  });

  it('of a reply that was cut before it could begin fails', async () => {
    const body = new Readable({ read: () => undefined }) as Body;
    body.on('error', () => undefined);
    body.destroy(new Error('cut'));
    await expect(new LogCopier({}, 0).copy(body, { signal })).rejects.toMatchObject({
      code: 'ERR_LOST',
    });
  });
});
