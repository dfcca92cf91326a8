// A script that runs on a host, and its answers.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { GomoteError } from '../../errors.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { collect, type RemoteProcess, type SshLink } from './link.ts';
import { lineLimit } from './messages.ts';
import { readScript } from './scripts.ts';
import { lastUsefulLine, sshError } from './ssh-error.ts';

/** How much output of the login shell is accepted before the script begins, in bytes. */
const bannerLimitBytes = 1 << 20;

/** The time limit for the login shell to run the script, in ms. */
const startMs = 60_000;

/** The time limit for a process to end after its input, in ms. */
const endMs = 20_000;

/** The exit status of ssh when ssh itself failed. */
const sshFailed = 255;

const nothing = Buffer.alloc(0);

export class RemoteSession {
  readonly #link: SshLink;
  readonly #process: RemoteProcess;
  readonly #mark: string;
  readonly #said: () => string;
  readonly #exited: Promise<number | null>;
  /** Received text after the last line. */
  #rest: Buffer = nothing;
  /** The last line on standard output that was not an answer. */
  #banner = '';

  private constructor(link: SshLink, process: RemoteProcess, mark: string) {
    this.#link = link;
    this.#process = process;
    this.#mark = mark;
    this.#said = collect(process.stderr);
    this.#exited = new Promise((resolve) => {
      process.once('close', (code) => resolve(code)).once('error', () => resolve(null));
    });
    // The end of the process is reported by its outputs.
    process.stdin.on('error', () => undefined);
    process.stdout.on('error', () => undefined);
  }

  /** Runs the script, whose answers begin with a random mark. */
  static async start(
    link: SshLink,
    scriptOf: (mark: string) => string,
    signal: AbortSignal,
  ): Promise<RemoteSession> {
    const mark = randomBytes(12).toString('hex');
    const script = scriptOf(mark);
    const process = await link.start(readScript(script), signal);
    const session = new RemoteSession(link, process, mark);
    process.stdin.write(script);
    return session;
  }

  get stdin() {
    return this.#process.stdin;
  }

  /** The raw output after the last answer or line. */
  get stdout(): Readable {
    const { stdout } = this.#process;
    if (this.#rest.length > 0) stdout.unshift(this.#rest);
    this.#rest = nothing;
    return stdout;
  }

  /** The words of the next answer. Other output is skipped. */
  async answer(signal: AbortSignal, limitMs: number = startMs): Promise<string> {
    const late = timeoutSignal(limitMs);
    const either = anySignal(signal, late);
    let skipped = 0;
    for (;;) {
      const line = await this.#next(either).catch((error: unknown) => {
        signal.throwIfAborted();
        if (!late.aborted) throw error;
        throw this.#problem(`its shell did not answer within ${limitMs / 1_000} s`);
      });
      if (line === undefined) throw await this.#failure();
      if (line.startsWith(`${this.#mark} `)) return line.slice(this.#mark.length + 1);
      skipped += line.length;
      if (skipped > bannerLimitBytes) throw this.#problem('its shell says too much');
      if (line.trim() !== '') this.#banner = line.trim();
    }
  }

  /** The next line. */
  async line(signal: AbortSignal): Promise<string> {
    const line = await this.#next(signal);
    if (line === undefined) throw await this.#failure();
    return line;
  }

  async #next(signal: AbortSignal): Promise<string | undefined> {
    const { stdout } = this.#process;
    const parts: Buffer[] = [];
    let sizeBytes = 0;
    for (;;) {
      signal.throwIfAborted();
      const chunk: Buffer | null = this.#rest.length > 0 ? this.#rest : stdout.read();
      if (chunk === null) {
        if (stdout.readableEnded || stdout.destroyed) return undefined;
        await readableOrEnd(stdout, signal);
        continue;
      }
      const end = chunk.indexOf('\n');
      this.#rest = end < 0 ? nothing : chunk.subarray(end + 1);
      parts.push(end < 0 ? chunk : chunk.subarray(0, end));
      if (end >= 0) return Buffer.concat(parts).toString();
      sizeBytes += chunk.length;
      if (sizeBytes > lineLimit) throw this.#problem('a line without an end');
    }
  }

  /** Why it ended without an answer. */
  async #failure(): Promise<GomoteError> {
    const code = await this.#exited;
    const said = this.#said();
    if (code === sshFailed || code === null) {
      if (/Session open refused|session request failed/i.test(said)) {
        const message = `${this.#link.destination.text}: it allows no more sessions at once`;
        return new GomoteError('ERR_QUOTA', message, {
          hint: 'raise MaxSessions in its sshd_config',
        });
      }
      return sshError(this.#link.destination, said);
    }
    const words = lastUsefulLine(said) ?? (this.#banner || undefined);
    const hint = /No space left|quota/i.test(words ?? '')
      ? 'free some space there'
      : `see that this prints "ok": ssh ${this.#link.destination.text} "exec /bin/sh -c 'echo ok'"`;
    return this.#problem(
      `its shell ended with ${code}${words === undefined ? '' : `: ${words}`}`,
      hint,
    );
  }

  #problem(what: string, hint?: string): GomoteError {
    const { text } = this.#link.destination;
    return new GomoteError('ERR_MACHINE', `${text}: ${what}`, {
      hint: hint ?? `see what ssh ${text} does`,
    });
  }

  /** Ends its input, and waits for it to end, within a time limit. */
  async end(): Promise<void> {
    const { stdin, stdout } = this.#process;
    stdin.end();
    stdout.resume();
    const late = timeoutSignal(endMs);
    await Promise.race([this.#exited, once(late, 'abort')]);
    this.kill();
  }

  kill(): void {
    const { stdin, stdout, stderr } = this.#process;
    this.#process.kill('SIGKILL');
    // The shared connection has their other ends until the script there ends.
    for (const stream of [stdin, stdout, stderr]) stream.destroy();
  }
}

function readableOrEnd(stream: Readable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const events = ['readable', 'end', 'close', 'error'];
    const leave = () => {
      for (const event of events) stream.off(event, settle);
      signal.removeEventListener('abort', abort);
    };
    const settle = () => {
      leave();
      resolve();
    };
    const abort = () => {
      leave();
      reject(signal.reason);
    };
    for (const event of events) stream.once(event, settle);
    signal.addEventListener('abort', abort, { once: true });
  });
}
