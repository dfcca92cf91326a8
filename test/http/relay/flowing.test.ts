import { PassThrough } from 'node:stream';
import { setTimeout as later, setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { flowing } from '../../../src/http/relay/flowing.ts';

describe('flowing', () => {
  it('gives the pieces as they arrive, in order, and pauses the stream for a slow reader', async () => {
    const stream = new PassThrough({ highWaterMark: 1 << 20 });
    const sent = Array.from({ length: 100 }, (_, index) => Buffer.alloc(10_000, index));
    for (const piece of sent) stream.write(piece);
    stream.end();
    const got: Buffer[] = [];
    let pauses = 0;
    stream.on('pause', () => pauses++);
    for await (const piece of flowing(stream)) {
      got.push(piece);
      await nextTurn();
    }
    expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
    expect(got).toHaveLength(100);
    expect(pauses).toBeGreaterThan(0);
  });

  it.each([
    ['fails', (stream: PassThrough) => stream.destroy(new Error('broken')), 'broken'],
    ['is closed early', (stream: PassThrough) => stream.destroy(), 'closed before its end'],
  ])('fails when the stream %s', async (_, end, message) => {
    const stream = new PassThrough();
    stream.write('a');
    const pieces = flowing(stream);
    expect((await pieces.next()).value).toEqual(Buffer.from('a'));
    end(stream);
    await expect(pieces.next()).rejects.toThrow(message);
  });

  it('fails when the stream was closed before', async () => {
    const stream = new PassThrough();
    stream.destroy();
    await expect(flowing(stream).next()).rejects.toThrow('closed before its end');
  });

  it('leaves the stream paused, and alive, when its reader leaves', async () => {
    const stream = new PassThrough();
    stream.write('a');
    for await (const _ of flowing(stream)) break;
    expect({ paused: stream.isPaused(), destroyed: stream.destroyed }).toEqual({
      paused: true,
      destroyed: false,
    });
    expect(stream.listenerCount('data')).toBe(0);
    stream.destroy(new Error('told to nobody'));
    await nextTurn();
  });

  it('fails after a long silence, but not because its reader is slow', async () => {
    const stream = new PassThrough();
    stream.write('a');
    const pieces = flowing(stream, { idleMs: 20 });
    await pieces.next();
    await later(100);
    stream.write('b');
    expect((await pieces.next()).value).toEqual(Buffer.from('b'));
    await expect(pieces.next()).rejects.toThrow('nothing arrived for 0.02 s');
    expect(stream.destroyed).toBe(true);
  });
});
