// Connects the user's terminal to a run's terminal: input, output and size.
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../../client/runs/session.ts';
import type { SessionReadOptions, SessionResult } from '../../client/runs/session-options.ts';
import { GomoteError } from '../../errors.ts';
import { sizeSender } from '../../gomote/run/size-sender.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';
import { type EscapeCommand, EscapeKeys, escapeHelp } from './escape-keys.ts';
import { type RawTerminal, takeTerminal } from './raw-terminal.ts';
import { ScreenModes } from './screen-modes.ts';
import { terminalLike } from './terminal.ts';

interface InteractOptions extends Omit<SessionReadOptions, 'stdout' | 'stderr'> {
  /** How many bytes of input the session has already received. Default 0. */
  readonly stdinBytes?: number | undefined;
  /** Aborts when the user asks to leave the session running. */
  readonly onDetach: () => void;
}

/** How long `~.` waits for the buildlet to answer, and then for the command to end, in ms. */
const answerMs = 1_000;
const farewellMs = 2_000;

const hangUpMs = 5_000;

const retrySizeMs = 1_000;

/**
 * Reads the session to its end and connects it to the user's terminal; without a terminal, standard input is
 * sent as typed input. Fails with ERR_ABORTED when the user leaves by `~.` and the outcome of the command is unknown.
 */
export async function interact(
  session: Session,
  context: Context,
  options: InteractOptions,
): Promise<SessionResult> {
  const interaction = new Interaction(session, context, options);
  try {
    return await interaction.run();
  } finally {
    interaction.close();
  }
}

class Interaction {
  readonly #session: Session;
  readonly #context: Context;
  readonly #options: InteractOptions;
  readonly #over = new AbortController();
  readonly #screen = new ScreenModes();
  readonly #escapes = new EscapeKeys();
  readonly #keys = new PassThrough();
  readonly #raw: RawTerminal | undefined;
  readonly #sendSize: () => Promise<void>;

  constructor(session: Session, context: Context, options: InteractOptions) {
    this.#session = session;
    this.#context = context;
    this.#options = options;
    const { signal } = this.#over;
    const resize = (columns: number, rows: number) => session.resize(columns, rows, signal);
    const size = () => terminalLike(context.terminal);
    this.#sendSize = sizeSender(size, resize, { retryMs: retrySizeMs, signal });
    const { stdin, stdout } = context.terminal;
    stdin.on('data', this.#onKeys).on('end', this.#onEnd).on('error', this.#onEnd);
    stdout.on('resize', this.#onResize);
    if (context.terminal.input !== 'terminal') return;
    this.#raw = takeTerminal(context.terminal, () => this.#screen.undo());
  }

  async run(): Promise<SessionResult> {
    const over = this.#over.signal;
    const { signal = over, stdinBytes: offset } = this.#options;
    this.#onResize();
    this.#session.sendInput(this.#keys, { signal: over, offset }).catch(() => undefined);
    return await this.#session.read({
      ...this.#options,
      stdout: this.#output(),
      signal: anySignal(signal, over),
    });
  }

  close(): void {
    const { stdin, stdout } = this.#context.terminal;
    this.#over.abort();
    stdin.off('data', this.#onKeys).off('end', this.#onEnd).pause();
    stdout.off('resize', this.#onResize);
    this.#keys.destroy();
    this.#raw?.restore();
  }

  #output(): Writable {
    const { stdout } = this.#context.terminal;
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#screen.push(chunk);
        stdout.write(chunk, done);
      },
    });
  }

  readonly #onKeys = (chunk: Buffer): void => {
    const { rest, asked } =
      this.#raw === undefined ? { rest: chunk, asked: [] } : this.#escapes.push(chunk);
    for (const command of asked) this.#obey(command);
    if (rest.length === 0 || this.#keys.write(rest)) return;
    const { stdin } = this.#context.terminal;
    stdin.pause();
    this.#keys.once('drain', () => stdin.resume());
  };

  readonly #onEnd = (): void => {
    this.#keys.end();
  };

  #obey(command: EscapeCommand): void {
    switch (command) {
      case 'help':
        this.#context.messages.say(escapeHelp);
        break;
      case 'suspend':
        this.#raw?.suspend();
        break;
      case 'detach':
        this.#options.onDetach();
        break;
      case 'end':
        void this.#end();
    }
  }

  async #end(): Promise<void> {
    const over = this.#over.signal;
    const signal = anySignal(over, timeoutSignal(answerMs));
    try {
      await this.#session.kill('SIGHUP', { killAfterMs: hangUpMs, signal });
      await sleep(farewellMs, undefined, { signal: over });
    } catch {
      // Do not wait for a buildlet that does not answer.
    }
    this.#over.abort(new GomoteError('ERR_ABORTED', 'ended by ~. without word from the command'));
  }

  readonly #onResize = (): void => {
    if (this.#context.terminal.stdout.isTTY === true) void this.#sendSize();
  };
}
