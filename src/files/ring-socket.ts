// Sockets whose bytes pass to other sockets through a few buffers that are used again. Node reads each 64 KiB into new memory,
// which costs a program that only carries bytes a third of its processor time.
import { Socket, type SocketConstructorOpts } from 'node:net';

/** Up to so many bytes, a copy is cheaper than a large buffer in use. */
const smallBytes = 16 << 10;
const largeBytes = 256 << 10;

/** How many pieces of one socket may wait to be written. */
const waitingLimit = 2;

/** Large buffers of no socket. */
const spare: Buffer<ArrayBuffer>[] = [];
const spareLimit = 8;

const ends = { allowHalfOpen: true, noDelay: true };

class Ring {
  readonly #small = Buffer.allocUnsafeSlow(smallBytes);
  #memory: Buffer<ArrayBuffer> = this.#small;
  #waiting = 0;
  from: Socket | undefined;
  to: Socket | undefined;

  /** What the next bytes are read into. */
  readonly buffer = () => this.#memory;

  /** Passes on what was read. Returns whether to read on. */
  readonly callback = (size: number): boolean => {
    const large = this.to !== undefined && size > smallBytes ? this.#memory : undefined;
    const full = this.#memory.length;
    const bytes = this.#memory.subarray(0, size);
    const piece = large === undefined ? Buffer.from(bytes) : bytes;
    if (large === undefined) giveBack(this.#memory);
    // A connection that may be idle from now on holds no large buffer.
    const isBusy = size >= Math.max(smallBytes, full / 4);
    this.#memory = isBusy ? takeLarge() : this.#small;
    if (this.to === undefined) return this.from?.push(piece) ?? false;
    this.#waiting++;
    this.to.write(piece, (error) => {
      // What could not be written may still be in use.
      if (large !== undefined && !error) giveBack(large);
      if (this.#waiting-- === waitingLimit) this.from?.resume();
    });
    return this.#waiting < waitingLimit;
  };
}

const takeLarge = () => spare.pop() ?? Buffer.allocUnsafeSlow(largeBytes);

function giveBack(buffer: Buffer<ArrayBuffer>): void {
  if (buffer.length === largeBytes && spare.length < spareLimit) spare.push(buffer);
}

/** A socket whose directions end separately, and that is an ordinary stream until `carryTo`. */
export class RingSocket extends Socket {
  readonly #ring: Ring;

  constructor(accepted: { handle?: object; pauseOnCreate?: boolean } = {}) {
    const ring = new Ring();
    super({ ...ends, ...accepted, onread: ring } as SocketConstructorOpts);
    ring.from = this;
    this.#ring = ring;
  }

  /**
   * Takes over an accepted socket that is paused and from which nothing was read. Node gives accepted sockets no buffer, so
   * this needs their handle, which is no documented property: without one, the result is the socket itself.
   */
  static takeOver(socket: Socket): Socket {
    const { _handle: handle } = socket as { _handle?: object | null };
    if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle))
      return socket;
    Object.assign(socket, { _handle: null });
    // Its server counts it no longer.
    socket.destroy();
    return new RingSocket({ handle, pauseOnCreate: true });
  }

  /**
   * Writes to a socket what comes from now on, in place of emitting it as data; the end is emitted as usual. A stream of
   * another class will not do: it may use a buffer longer than until its write was called back.
   */
  carryTo(to: Socket): void {
    this.#ring.to = to;
  }
}
