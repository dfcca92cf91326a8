// What signals such as Ctrl-C do to a run: the first is passed on, the next ends the run, the last detaches the client.
import type { Session } from '../../client/runs/session.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';

export interface LadderOptions {
  readonly name: string;
  /** How long the command has between TERM and KILL, in ms. */
  readonly killAfterMs: number;
  /** Whether it has a terminal. Default false. */
  readonly tty?: boolean | undefined;
  /** What happens to the run when the user's terminal is lost. */
  readonly onHangup: 'kill' | 'detach';
  /** Whether detaching ends the buildlet. Default false: the command continues. */
  readonly endsBuildlet?: boolean | undefined;
}

const leaveMs = 2_000;

/** How long after the first Ctrl-C to print what the next one does, in ms. */
const remindMs = 2_000;

/**
 * Takes the process's signals for one session: Ctrl-C sends INT, again TERM and later KILL, a third time it leaves the
 * command running. Ctrl-\ sends QUIT. SIGTERM and SIGHUP send TERM and later KILL, a second time KILL at once.
 */
export class CancelLadder {
  readonly #session: Session;
  readonly #context: Context;
  readonly #options: LadderOptions;
  readonly #leaving = new AbortController();
  readonly #release: () => void;
  #interrupts = 0;
  #terminations = 0;
  #reminder: NodeJS.Timeout | undefined;
  #isReleased = false;
  /** Aborts when waiting for the command should stop. */
  readonly signal: AbortSignal;
  received: NodeJS.Signals | undefined;
  hasLeft = false;

  constructor(session: Session, context: Context, options: LadderOptions) {
    this.#session = session;
    this.#context = context;
    this.#options = options;
    this.signal = anySignal(this.#leaving.signal, context.signal);
    this.#release = context.interrupts.take((name) => this.#handle(name));
  }

  release(): void {
    this.#isReleased = true;
    clearTimeout(this.#reminder);
    this.#release();
  }

  #handle(name: NodeJS.Signals): void {
    this.received ??= name;
    const { killAfterMs, onHangup, endsBuildlet, tty } = this.#options;
    if (name === 'SIGHUP' && onHangup === 'detach') return void this.leave();
    if (name === 'SIGQUIT') return void this.#send(name);
    if (name !== 'SIGINT') {
      this.#terminations++;
      // Interactive shells react to this one.
      const ending = tty ? 'SIGHUP' : 'SIGTERM';
      return void this.#send(ending, this.#terminations === 1 ? killAfterMs : 0);
    }
    this.#interrupts++;
    clearTimeout(this.#reminder);
    if (this.#interrupts === 1) {
      const third = endsBuildlet ? 'destroys its buildlet' : 'leaves it running';
      this.#remind(`it still runs; Ctrl-C again ends it, a third time ${third}`);
      return void this.#send('SIGINT');
    }
    if (this.#interrupts === 2) {
      this.#say(
        `ending it: TERM, and KILL ${killAfterMs / 1_000} s later; Ctrl-C ${endsBuildlet ? 'does not wait' : 'leaves it'}`,
      );
      return void this.#send('SIGTERM', killAfterMs);
    }
    void this.leave();
  }

  #say(line: string): void {
    // Its client closes at the end of the run, and a request that is still on its way then fails.
    if (this.#isReleased) return;
    this.#context.messages.remark(line);
  }

  #remind(line: string): void {
    this.#reminder = setTimeout(() => this.#say(line), remindMs);
  }

  async #send(killSignal: string, killAfterMs?: number): Promise<void> {
    try {
      await this.#session.kill(killSignal, { killAfterMs, signal: this.signal });
    } catch (error) {
      // A run that has ended reports that itself.
      if (isGomoteError(error, 'ERR_CONFLICT') || this.signal.aborted) return;
      if (isGomoteError(error, 'ERR_UNKNOWN_SESSION')) this.#leaving.abort(error);
      else this.#say(`${killSignal} could not be sent; Ctrl-C again to try more, or to leave`);
    }
  }

  async leave(): Promise<void> {
    if (this.hasLeft) return;
    this.hasLeft = true;
    if (this.#options.endsBuildlet) {
      return this.#leaving.abort(new GomoteError('ERR_ABORTED', 'not waited for'));
    }
    const { id } = this.#session;
    try {
      await this.#session.detach(timeoutSignal(leaveMs));
      this.#say(`${id} is left running; pick it up: gomote attach ${this.#options.name} ${id}`);
    } catch {
      this.#say(`the buildlet does not answer: ${id} may end within a minute, or be running`);
    }
    this.#leaving.abort(new GomoteError('ERR_ABORTED', `left ${id} running`));
    this.#context.interrupts.giveUp(this.received ?? 'SIGINT');
  }
}
