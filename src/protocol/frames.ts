// The frames of a multiplexed connection: a header of 8 bytes, then the payload.
//
//   type (1 byte) · stream (4 bytes) · length of the payload (3 bytes); numbers are big-endian

export const frameTypes = {
  /** Data of a stream, limited by the receiver's credit. */
  data: 0,
  /** Opens a stream; ids count up from 1. The payload, if any, is its target. */
  open: 1,
  /** Credit: the receiver accepts this many more bytes (4 bytes). */
  credit: 2,
  /** Ends one direction; the other direction continues. */
  end: 3,
  /** Ends the stream in both directions; the payload is the reason as text. */
  reset: 4,
  /** Asks for a sign of life; on stream 0, like the rest. */
  ping: 5,
  pong: 6,
  /** Announces that the sender will close the connection: no new streams. The payload is the reason as text. */
  bye: 7,
  /** The stream is connected to its target. */
  opened: 8,
} as const;

export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

/** The initial credit of a stream, in bytes. */
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
  /** A part of a data frame's payload. */
  readonly onData: (stream: number, piece: Buffer) => void;
  /** Any other frame, complete. */
  readonly onControl: (type: FrameType, stream: number, payload: Buffer) => void;
}

/** Reads frames out of chunks, wherever those are split. */
export class FrameReader {
  readonly #receiver: FrameReceiver;
  /** The received part of a header, or of a frame that must be complete. */
  #held: Buffer = Buffer.alloc(0);
  /** The data frame whose payload is being received. */
  #data: { readonly stream: number; leftBytes: number } | undefined;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  /** Throws an Error that says what is wrong when the bytes are not frames. */
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
