// The frames by which one connection carries many: a header of 8 bytes, then the payload.
//
//   type (1 byte) · stream (4 bytes) · length of the payload (3 bytes); numbers are big-endian

export const frameTypes = {
  /** Bytes of a stream, as many as its receiver has given credit for. */
  data: 0,
  /** A new stream; ids count up from 1. The payload, if there is one, says where it leads. */
  open: 1,
  /** The receiver takes this many bytes more (4 bytes). */
  credit: 2,
  /** No more data will come; the other direction goes on. */
  end: 3,
  /** The stream is over in both directions; the payload says why, in words. */
  reset: 4,
  /** Asks for a sign of life; stream 0, as the rest. */
  ping: 5,
  pong: 6,
  /** No new streams, please: the sender will close the connection; the payload says why, in words. */
  bye: 7,
  /** The stream leads where its opener asked for. */
  opened: 8,
} as const;

export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

/** How many bytes of a stream may be sent before any credit came. */
export const initialCreditBytes = 1 << 20;

/** The longest payload of data, in bytes. */
export const dataLimitBytes = 64 << 10;

/** The longest payload of any other frame, in bytes. */
const wordsLimitBytes = 1 << 10;

const headerBytes = 8;

/** The header of a frame. */
export function frameHeader(type: FrameType, stream: number, lengthBytes: number): Buffer {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(stream, 1);
  header.writeUIntBE(lengthBytes, 5, 3);
  return header;
}

/** A whole frame that is not data. */
export function controlFrame(
  type: FrameType,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const kept = payload.subarray(0, wordsLimitBytes);
  return Buffer.concat([frameHeader(type, stream, kept.length), kept]);
}

/** The frame that gives credit. */
export function creditFrame(stream: number, sizeBytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(sizeBytes);
  return controlFrame(frameTypes.credit, stream, payload);
}

interface FrameReceiver {
  /** A piece of a data frame, as it came. */
  readonly onData: (stream: number, piece: Buffer) => void;
  /** Any other frame, whole. */
  readonly onControl: (type: FrameType, stream: number, payload: Buffer) => void;
}

/** Reads frames out of chunks, wherever those are split. */
export class FrameReader {
  readonly #receiver: FrameReceiver;
  /** What came of a header, or of a frame that must be whole. */
  #held: Buffer = Buffer.alloc(0);
  /** The data frame whose payload is coming. */
  #data: { readonly stream: number; leftBytes: number } | undefined;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  /** Throws an Error that says what is wrong when the bytes are no frames. */
  push(chunk: Buffer): void {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (;;) {
      if (this.#data !== undefined) rest = this.#pushData(this.#data, rest);
      if (this.#data !== undefined || rest.length < headerBytes) break;
      const type = rest.readUInt8(0) as FrameType;
      const stream = rest.readUInt32BE(1);
      const lengthBytes = rest.readUIntBE(5, 3);
      check(type, lengthBytes);
      if (type === frameTypes.data) {
        this.#data = { stream, leftBytes: lengthBytes };
        rest = rest.subarray(headerBytes);
        continue;
      }
      const end = headerBytes + lengthBytes;
      if (rest.length < end) break;
      this.#receiver.onControl(type, stream, rest.subarray(headerBytes, end));
      rest = rest.subarray(end);
    }
    this.#held = rest;
  }

  #pushData(data: { readonly stream: number; leftBytes: number }, bytes: Buffer): Buffer {
    const piece = bytes.subarray(0, data.leftBytes);
    data.leftBytes -= piece.length;
    if (data.leftBytes === 0) this.#data = undefined;
    if (piece.length > 0) this.#receiver.onData(data.stream, piece);
    return bytes.subarray(piece.length);
  }
}

function check(type: number, lengthBytes: number): void {
  if (type > frameTypes.opened) throw new Error(`unknown frame type ${type}`);
  const limit = type === frameTypes.data ? dataLimitBytes : wordsLimitBytes;
  if (lengthBytes > limit) throw new Error(`a frame of ${lengthBytes} bytes`);
  if (type === frameTypes.credit && lengthBytes !== 4) throw new Error('a credit of no number');
}
