// What a buildlet is told while its log is copied.
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { LogCopier } from '../../../src/client/runs/session-reader.ts';
import { watchedCopy } from '../../../src/client/runs/watched-copy.ts';
import type { HttpResponse } from '../../../src/http/client/request.ts';
import { formatRecord, recordHeader } from '../../../src/protocol/log-records.ts';
import { Collector } from '../../helpers/collect.ts';

const pieceBytes = 1 << 20;

function* log(pieces: number) {
  for (let n = 0; n < pieces; n++) {
    yield Buffer.from(recordHeader('out', n * pieceBytes, pieceBytes));
    yield Buffer.alloc(pieceBytes);
  }
  const sum = { bytes: 0, sha256: 'ab'.repeat(32) };
  const time = '2026-01-01T00:00:00Z';
  const ending = { code: 0, signal: null, why: 'exit', state: 'ok', started: time, ended: time };
  const end = { ...ending, durationMs: 1, stdout: sum, stderr: sum };
  yield formatRecord('end', JSON.stringify(end));
}

it.each([
  ['is told how much of its files has been taken', '/nowhere', true],
  ['is told nothing of what it sends itself', undefined, false],
])('a buildlet %s', async (_what, filesIn, isTold) => {
  const told: number[] = [];
  const copier = new LogCopier({ stdout: new Collector(), stderr: new Collector() }, 0);
  const body = Readable.from(log(10), { objectMode: false }) as HttpResponse['body'];
  await watchedCopy(body, copier, {
    ping: async (position) => void told.push(position),
    pingMs: 60_000,
    onHeard: () => undefined,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    filesIn,
  });
  expect(told.some((position) => position >= 4 * pieceBytes)).toBe(isTold);
  expect(told.length > 0).toBe(isTold);
});
