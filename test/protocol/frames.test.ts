import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  controlFrame,
  creditFrame,
  dataLimitBytes,
  FrameReader,
  type FrameType,
  frameHeader,
  frameTypes,
} from '../../src/protocol/frames.ts';

interface Seen {
  type: FrameType;
  stream: number;
  payload: Buffer;
}

/** Reads chunks; pieces of the data of one stream that follow each other are joined. */
function read(chunks: readonly Buffer[]): Seen[] {
  const seen: Seen[] = [];
  const reader = new FrameReader({
    onData: (stream, piece) => {
      const last = seen.at(-1);
      if (last?.type === frameTypes.data && last.stream === stream) {
        last.payload = Buffer.concat([last.payload, piece]);
      } else seen.push({ type: frameTypes.data, stream, payload: piece });
    },
    onControl: (type, stream, payload) => seen.push({ type, stream, payload }),
  });
  for (const chunk of chunks) reader.push(chunk);
  return seen;
}

const { data, open, end, reset, ping, pong, bye } = frameTypes;
const words = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const id = fc.integer({ min: 0, max: 0xffff_ffff });
const frame = fc.oneof(
  fc.record({
    type: fc.constant<FrameType>(data),
    stream: id,
    payload: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({
    type: fc.constantFrom<FrameType>(open, end, reset, ping, pong, bye),
    stream: id,
    payload: words,
  }),
);

const encode = ({ type, stream, payload }: Seen) =>
  type === data
    ? Buffer.concat([frameHeader(data, stream, payload.length), payload])
    : controlFrame(type, stream, payload);

describe('frames', () => {
  it('are read as they were written, wherever the bytes are split', () => {
    const splits = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 60 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), splits, (frames, sizes) => {
        let rest = Buffer.concat(frames.map(encode));
        const chunks: Buffer[] = [];
        for (const size of sizes) {
          chunks.push(rest.subarray(0, size));
          rest = rest.subarray(size);
        }
        expect(read([...chunks, rest])).toEqual(read(frames.map(encode)));
      }),
    );
  });

  it('round-trip', () => {
    const frames: Seen[] = [
      { type: open, stream: 1, payload: Buffer.alloc(0) },
      { type: data, stream: 1, payload: Buffer.alloc(dataLimitBytes, 7) },
      { type: reset, stream: 0xffff_ffff, payload: Buffer.from('why') },
    ];
    expect(read(frames.map(encode))).toEqual(frames);
    expect(read([creditFrame(3, 70_000)])[0]?.payload.readUInt32BE()).toBe(70_000);
  });

  it('truncate text that is too long', () => {
    expect(read([controlFrame(bye, 0, Buffer.alloc(5_000))])[0]?.payload).toHaveLength(1_024);
  });

  it.each([
    ['unknown frame type 99', Buffer.from([99, 0, 0, 0, 0, 0, 0, 0])],
    ['a frame of 65537 bytes', frameHeader(data, 1, dataLimitBytes + 1)],
    ['a frame of 1025 bytes', frameHeader(bye, 0, 1_025)],
    ['a credit of no number', frameHeader(frameTypes.credit, 1, 3)],
  ])('are refused: %s', (message, bytes) => {
    expect(() => read([bytes])).toThrow(message);
  });

  it('never make the reader do anything but throw, for any input', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (chunks) => {
        try {
          read(chunks.map((chunk) => Buffer.from(chunk)));
        } catch (error) {
          expect(String(error)).toMatch(/unknown frame|a frame of|a credit/);
        }
      }),
    );
  });
});
