// Multiplexes streams over one socket: each has its own credit, and they take turns.
import type { Duplex } from 'node:stream';
import { GomoteError, messageOf } from '../errors.ts';
import {
  controlFrame,
  creditFrame,
  FrameReader,
  type FrameType,
  frameHeader,
  frameTypes,
} from '../protocol/frames.ts';
import { MuxStream } from './mux-stream.ts';

interface MuxEvents {
  /** Called with each stream that the other end opens; absent: it may open none. */
  readonly onStream?: ((stream: MuxStream, words: string) => void) | undefined;
  /** How many of those may be open at once. Default 10,000. */
  readonly streamLimit?: number | undefined;
  /** The other end will close the connection, for this reason. */
  readonly onBye: (reason: string) => void;
  /** Every stream is closed. */
  readonly onIdle: () => void;
  /** Called when received data violates the protocol. */
  readonly onBroken: (what: string) => void;
}

/** How much may wait in the socket's buffer before streams are paused, in bytes. */
const socketBufferBytes = 256 << 10;

const defaultStreamLimit = 10_000;

export class Mux {
  readonly #socket: Duplex;
  readonly #events: MuxEvents;
  /** The name of the other end in errors. */
  readonly #label: string;
  readonly #streams = new Map<number, MuxStream>();
  /** The streams with something to send, in order. */
  readonly #ready = new Set<MuxStream>();
  #lastId = 0;
  #isPumping = false;
  #isBroken = false;

  constructor(socket: Duplex, head: Buffer, label: string, events: MuxEvents) {
    this.#socket = socket;
    this.#label = label;
    this.#events = events;
    const reader = new FrameReader({
      onData: (id, piece) => this.#streams.get(id)?.receive(piece),
      onControl: (type, id, payload) => this.#control(type, id, payload),
    });
    const read = (chunk: Buffer) => {
      if (this.#isBroken) return;
      try {
        reader.push(chunk);
      } catch (error) {
        this.#isBroken = true;
        events.onBroken(messageOf(error));
      }
    };
    if (head.length > 0) socket.unshift(head);
    socket.on('data', read);
  }

  get isIdle(): boolean {
    return this.#streams.size === 0;
  }

  open(words: string): MuxStream {
    this.#lastId++;
    this.#socket.write(controlFrame(frameTypes.open, this.#lastId, Buffer.from(words)));
    return this.#add(this.#lastId);
  }

  ping(): void {
    this.#socket.write(controlFrame(frameTypes.ping, 0));
  }

  /** Tells the other end that the connection will be closed. */
  bye(reason: string): void {
    this.#socket.write(controlFrame(frameTypes.bye, 0, Buffer.from(reason)));
  }

  /** Ends every stream after the connection has ended. */
  fail(reason: string): void {
    for (const stream of this.#streams.values()) {
      stream.receiveReset(new GomoteError('ERR_LOST', `${this.#label}: ${reason}`));
    }
  }

  #add(id: number): MuxStream {
    const stream = new MuxStream(id, {
      onReady: () => {
        this.#ready.add(stream);
        this.#pump();
      },
      onAccepted: () => this.#socket.write(controlFrame(frameTypes.opened, id)),
      onCredit: (sizeBytes) => this.#socket.write(creditFrame(id, sizeBytes)),
      onClosed: (words) => {
        this.#ready.delete(stream);
        this.#streams.delete(id);
        if (words !== undefined && this.#socket.writable) {
          this.#socket.write(controlFrame(frameTypes.reset, id, Buffer.from(words)));
        }
        if (this.isIdle) this.#events.onIdle();
      },
    });
    this.#streams.set(id, stream);
    return stream;
  }

  /** Sends chunks of one stream after another, while the socket accepts them. */
  #pump(): void {
    const socket = this.#socket;
    // A stream may be written to again as soon as its chunk was taken; its turn comes in the loop below.
    if (this.#isPumping || !socket.writable) return;
    this.#isPumping = true;
    socket.cork();
    while (socket.writableLength < socketBufferBytes) {
      const [stream] = this.#ready;
      if (stream === undefined) break;
      this.#ready.delete(stream);
      if (!stream.isReady) continue;
      const piece = stream.takePiece();
      if (piece === undefined) {
        socket.write(controlFrame(frameTypes.end, stream.id));
        continue;
      }
      socket.write(frameHeader(frameTypes.data, stream.id, piece.length));
      // Whatever fills the buffer: when it has been written, there is room again.
      socket.write(piece, () => this.#pump());
      if (stream.isReady) this.#ready.add(stream);
    }
    socket.uncork();
    this.#isPumping = false;
  }

  #control(type: FrameType, id: number, payload: Buffer): void {
    const stream = this.#streams.get(id);
    // A stream that was closed here is unknown: drop its remaining data.
    switch (type) {
      case frameTypes.open:
        this.#opened(id, payload.toString());
        break;
      case frameTypes.opened:
        stream?.emit('connect');
        break;
      case frameTypes.credit:
        stream?.addCredit(payload.readUInt32BE());
        break;
      case frameTypes.end:
        stream?.receiveEnd();
        break;
      case frameTypes.reset:
        stream?.receiveReset(this.#cut(payload.toString()));
        break;
      case frameTypes.ping:
        this.#socket.write(controlFrame(frameTypes.pong, 0));
        break;
      case frameTypes.bye:
        this.#events.onBye(payload.toString());
        break;
    }
  }

  #opened(id: number, words: string): void {
    const { onStream, streamLimit = defaultStreamLimit } = this.#events;
    if (onStream === undefined) throw new Error('a stream that was not asked for');
    if (id <= this.#lastId) throw new Error(`stream ${id} after ${this.#lastId}`);
    this.#lastId = id;
    if (this.#streams.size < streamLimit) {
      onStream(this.#add(id), words);
      return;
    }
    const why = Buffer.from(`it has ${streamLimit} streams already`);
    this.#socket.write(controlFrame(frameTypes.reset, id, why));
  }

  #cut(words: string): GomoteError {
    const why = words === '' ? 'it cut the stream' : `it cut the stream: ${words}`;
    return new GomoteError('ERR_LOST', `${this.#label}: ${why}`);
  }
}
