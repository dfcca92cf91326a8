// Takes one HTTP/1.1 reply apart as it comes from the connection (RFC 9112).
import { GomoteError } from '../errors.ts';

export interface ReplyHead {
  readonly statusCode: number;
  /** Names in lower case; several of one name are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ReplyParts {
  readonly onHead: (head: ReplyHead) => void;
  /** A piece of the body: part of the chunk that was given. */
  readonly onBody: (bytes: Buffer) => void;
}

/** The longest head, and trailer, in bytes. */
const headLimitBytes = 64 << 10;

/** What comes next: a line of the head, a chunk's size, a chunk, the line after it, the trailer, a body, nothing. */
type Expected = 'head' | 'size' | 'chunk' | 'chunk-end' | 'trailer' | 'body' | 'nothing';

export class ReplyParser {
  readonly #parts: ReplyParts;
  #expected: Expected = 'head';
  #line = '';
  #lineBytes = 0;
  #statusLine: string | undefined;
  #headers = noHeaders();
  /** How much is to come of the body or chunk. */
  #left = 0;
  #staysOpen = false;

  constructor(parts: ReplyParts) {
    this.#parts = parts;
  }

  /** Whether all of the reply has come. */
  get isDone(): boolean {
    return this.#expected === 'nothing';
  }

  /** Whether the connection can be used again when the reply is done. */
  get staysOpen(): boolean {
    return this.#staysOpen;
  }

  /** Takes what has come; throws when it is no reply. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#expected === 'nothing') {
        // It would be taken for the reply to the next request.
        this.#staysOpen = false;
        return;
      }
      at = this.#left > 0 ? this.#takeBody(chunk, at) : this.#takeLine(chunk, at);
    }
  }

  /** The connection has ended; throws when the reply has not. */
  end(): void {
    if (this.#expected === 'body' && this.#left === Infinity) this.#expected = 'nothing';
    if (!this.isDone) throw new Error('the reply ended early');
  }

  #takeBody(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left === 0) this.#expected = this.#expected === 'chunk' ? 'chunk-end' : 'nothing';
    this.#parts.onBody(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    return end;
  }

  #takeLine(chunk: Buffer, at: number): number {
    const newline = chunk.indexOf(10, at);
    const end = newline < 0 ? chunk.length : newline;
    this.#lineBytes += end - at + 1;
    if (this.#lineBytes > headLimitBytes) throw bad('its head is too long');
    this.#line += chunk.toString('latin1', at, end);
    if (newline < 0) return end;
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    this.#gotLine(line);
    return end + 1;
  }

  #gotLine(line: string): void {
    if (this.#expected === 'head') {
      this.#gotHeadLine(line);
    } else if (this.#expected === 'size') {
      this.#gotSize(line);
    } else if (this.#expected === 'chunk-end') {
      if (line !== '') throw bad(`a chunk is followed by ${JSON.stringify(line.slice(0, 40))}`);
      this.#expected = 'size';
    } else if (line === '') {
      this.#expected = 'nothing';
    }
  }

  #gotSize(line: string): void {
    const match = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(line);
    if (match?.[1] === undefined)
      throw bad(`a bad chunk size ${JSON.stringify(line.slice(0, 40))}`);
    this.#left = Number.parseInt(match[1], 16);
    this.#expected = this.#left === 0 ? 'trailer' : 'chunk';
    this.#lineBytes = 0;
  }

  #gotHeadLine(line: string): void {
    if (this.#statusLine === undefined) {
      this.#statusLine = line;
    } else if (line !== '') {
      const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line);
      if (match === null) throw bad(`a bad header line ${JSON.stringify(line.slice(0, 40))}`);
      const [, name = '', value = ''] = match;
      const key = name.toLowerCase();
      const before = this.#headers[key];
      this.#headers[key] = before === undefined ? value : `${before}, ${value}`;
    } else {
      this.#gotHead(this.#statusLine, this.#headers);
    }
  }

  #gotHead(statusLine: string, headers: Record<string, string>): void {
    const match = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: |$)/.exec(statusLine);
    if (match === null) throw bad(`it begins with ${JSON.stringify(statusLine.slice(0, 40))}`);
    const statusCode = Number(match[2]);
    this.#statusLine = undefined;
    this.#headers = noHeaders();
    this.#lineBytes = 0;
    if (statusCode === 101) throw bad('it changes the protocol');
    // An interim reply: the real one follows.
    if (statusCode < 200) return;
    this.#expectBody(statusCode, headers);
    const { connection = '' } = headers;
    this.#staysOpen = match[1] === '1' && this.#left !== Infinity && !/\bclose\b/i.test(connection);
    this.#parts.onHead({ statusCode, headers });
  }

  #expectBody(statusCode: number, headers: Record<string, string>): void {
    const { 'transfer-encoding': encoding, 'content-length': length } = headers;
    if (statusCode === 204 || statusCode === 304) {
      this.#expected = 'nothing';
    } else if (encoding !== undefined) {
      // With both, one of two servers on the way would see another reply than we do.
      if (encoding.toLowerCase() !== 'chunked' || length !== undefined) {
        throw bad(`its body is encoded as ${JSON.stringify(encoding)}`);
      }
      this.#expected = 'size';
    } else if (length !== undefined) {
      if (!/^[0-9]{1,15}$/.test(length)) throw bad(`its length is ${JSON.stringify(length)}`);
      this.#left = Number(length);
      this.#expected = this.#left === 0 ? 'nothing' : 'body';
    } else {
      this.#left = Infinity;
      this.#expected = 'body';
    }
  }
}

/** Without a prototype: a header may be called `constructor`. */
const noHeaders = (): Record<string, string> => Object.create(null);

const bad = (what: string): GomoteError =>
  new GomoteError('ERR_REPLY', `not an HTTP reply: ${what}`);
