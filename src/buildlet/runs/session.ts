// A session: a command, the log of its output, its readers, and its time limits.
import { GomoteError, messageOf } from '../../errors.ts';
import { formatProcessState } from '../../protocol/process-state.ts';
import type { EndReason, SessionEnd, SessionInfo, SessionRequest } from '../../protocol/session.ts';
import { type LongTimer, longTimer } from '../../timeout-signal.ts';
import type { Exit } from '../command/command.ts';
import type { RunCommands, StartedCommand } from '../command/commands.ts';
import { SessionInput } from './input.ts';
import type { LineSearch } from './line-search.ts';
import type { SessionLog } from './log.ts';
import { emptySum, OutputPump } from './output-pump.ts';
import type { Reader } from './reading.ts';
import { RunClock } from './run-clock.ts';
import { endingSignals, endReasonOf } from './session-end.ts';

export interface SessionOptions {
  readonly id: string;
  readonly request: SessionRequest;
  /** Stops its processes when a line of output matches. */
  readonly breaks?: LineSearch | undefined;
  /** The command with its arguments, for people. */
  readonly command: readonly string[];
  readonly makeLog: (session: Session) => SessionLog;
  /** How long a session continues after its reader fell silent, in ms. */
  readonly silentGraceMs: number;
}

/** How far the log in memory may be ahead of the disk, in bytes. */
const diskLagBytes = 8 << 20;

const defaultGraceMs = 60_000;
const defaultKillAfterMs = 5_000;

/** How long to wait for more output after every known process has been ended, in ms. */
const lastOutputWaitMs = 1_000;

export class Session {
  readonly id: string;
  readonly log: SessionLog;
  readonly clock = new RunClock();
  readonly #options: Omit<SessionOptions, 'request'>;
  /** Once the command runs, without its arguments and environment: those may be megabytes, and a session is remembered for long. */
  #request: SessionRequest;
  readonly #started = new Date();
  readonly #startedAtMs = performance.now();
  readonly #readers = new Set<Reader>();
  #graceTimer: LongTimer | undefined;
  #detached: boolean;
  /** Resolves when the command runs, or never will. */
  readonly begun: Promise<void>;
  #begin: () => void = () => undefined;
  #command: StartedCommand | undefined;
  #pump: OutputPump | undefined;
  #input: SessionInput | undefined;
  #why: EndReason | undefined;
  #askedToEnd = false;
  #error: string | undefined;
  #end: SessionEnd | undefined;
  /** How much of the log some reader has confirmed. */
  acknowledged = 0;

  constructor(options: SessionOptions) {
    this.id = options.id;
    const { request, ...others } = options;
    this.#options = others;
    this.#request = request;
    this.#detached = request.detach === true;
    this.log = options.makeLog(this);
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  get info(): SessionInfo {
    return {
      id: this.id,
      command: this.#options.command,
      running: this.#end === undefined,
      detached: this.#detached,
      tty: this.#request.tty !== undefined,
      ...(this.clock.standstill && { stopped: true }),
      readers: this.#attached.length,
      started: this.#started.toISOString(),
      logBytes: this.log.end,
      stdinBytes: this.#input?.taken ?? 0,
      end: this.#end,
    };
  }

  async run(host: RunCommands): Promise<void> {
    try {
      await this.#run(host);
    } catch (error) {
      this.#finish('not-started', messageOf(error));
    }
  }

  async #run({ commands, countMemoryKills }: RunCommands): Promise<void> {
    const request = this.#request;
    let { breaks } = this.#options;
    const killsBefore = countMemoryKills();

    const streams = { merge: request.merge === true, stdin: request.stdin === true };
    const command = await commands.start(request, streams);
    this.#forgetForm();
    if ('notStarted' in command) return this.#finish('not-started', command.notStarted);
    this.#command = command;
    this.#begin();
    this.#input = command.stdin && new SessionInput(command.stdin);
    const pump = new OutputPump({
      ...command,
      onOutput: (stream, chunk) => {
        this.log.append(stream, chunk);
        // Output from before the stop must not stop it again.
        if (breaks?.take(stream, chunk) && !this.clock.isHeld) void this.#stop('break');
        this.balance();
      },
    });
    this.#pump = pump;
    if (request.debug) pump.add('out', Buffer.from(command.debugLine));
    this.#startLimits(request, pump);
    if (this.#why !== undefined) void this.endBy(this.#why);
    const exit = await command.exited;
    breaks = undefined;
    if (this.#askedToEnd) void this.#endProcesses(this.#killAfterMs);
    await pump.ended;
    const state = formatProcessState(exit.code, exit.signal);
    const asked = { why: this.#why, wasAsked: this.#askedToEnd };
    const why = endReasonOf(
      exit,
      asked,
      () => (countMemoryKills() ?? 0) > (killsBefore ?? Infinity),
    );
    this.#finish(why, state, exit);
  }

  #finish(why: EndReason, state: string, exit: Exit = { code: null, signal: null }): void {
    this.clock.end();
    this.#graceTimer?.clear();
    this.#input?.close();
    this.#end = {
      ...exit,
      why,
      state,
      ...(this.#error !== undefined && { error: this.#error }),
      ...(this.#command?.network && { network: this.#command.network }),
      started: this.#started.toISOString(),
      ended: new Date().toISOString(),
      durationMs: Math.round(performance.now() - this.#startedAtMs),
      ...(this.#pump?.sums() ?? { stdout: emptySum(), stderr: emptySum() }),
    };
    this.#forgetForm();
    this.log.close(JSON.stringify(this.#end));
    this.#begin();
    // A finished session is kept for long: keep only what may be requested.
    this.#command = undefined;
    this.#pump = undefined;
  }

  #forgetForm(): void {
    this.#request = {
      ...this.#request,
      ...{ cmd: '', dir: '', args: [], env: [], path: undefined, breakOn: undefined },
    };
  }

  #startLimits({ timeoutMs, idleTimeoutMs }: SessionRequest, pump: OutputPump): void {
    if (timeoutMs) this.clock.limit(timeoutMs, () => this.endBy('timeout'));
    const sinceMs = () => pump.lastOutputAtMs;
    if (idleTimeoutMs) this.clock.limitSince(sinceMs, idleTimeoutMs, () => this.endBy('idle'));
  }

  get #killAfterMs(): number {
    return this.#request.killAfterMs ?? defaultKillAfterMs;
  }

  async endBy(why: EndReason): Promise<void> {
    if (this.#end !== undefined) return;
    this.#why ??= why;
    await this.#endProcesses(this.#killAfterMs);
  }

  /** Called when the buildlet ends, and its processes with it. */
  closing(): void {
    this.#why ??= 'killed';
    this.#graceTimer?.clear();
  }

  async #endProcesses(killAfterMs: number): Promise<void> {
    // Stopped processes would not react to TERM.
    await this.#goOn();
    await this.#command?.end(killAfterMs);
    // Do not wait for unknown processes that hold the streams.
    this.clock.after(lastOutputWaitMs, () => this.#pump?.cut());
  }

  /** The log cannot be written: the command's writes fail, and it is ended. */
  fail(error: Error): void {
    this.#error = `the log cannot be written: ${error.message}`;
    this.#pump?.cut();
    void this.endBy('log');
  }

  /** Sends a signal to its processes; with `killAfterMs`, what is left of them then gets KILL. */
  async signal(name: NodeJS.Signals, killAfterMs?: number): Promise<void> {
    await this.begun;
    const command = this.#running();
    if (endingSignals.includes(name)) this.#askedToEnd = true;
    if (name === 'SIGSTOP') return await this.#stop('signal');
    // What it prints at once may stop it again.
    if (name === 'SIGCONT' && this.clock.isHeld) await this.#goOn();
    else await command.signal(name);
    if (endingSignals.includes(name)) await this.#goOn();
    if (killAfterMs !== undefined) {
      this.clock.after(killAfterMs, () => void this.#endProcesses(0));
    }
  }

  /** Stops its process group, and suspends its time limits. */
  async #stop(by: 'break' | 'signal'): Promise<void> {
    this.clock.hold({ by });
    await this.#command?.signal('SIGSTOP');
    this.clock.confirm(() => this.log.wake());
  }

  async #goOn(): Promise<void> {
    if (!this.clock.goOn()) return;
    await this.#command?.signal('SIGCONT');
    this.log.wake();
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.begun;
    const command = this.#running();
    if (command.resize === undefined) throw conflict(`run "${this.id}" has no terminal`);
    command.resize(columns, rows);
  }

  /** Its input; throws ERR_CONFLICT when it was to have none. */
  async input(): Promise<SessionInput> {
    await this.begun;
    if (this.#input !== undefined) return this.#input;
    throw conflict(`run "${this.id}" takes no input`);
  }

  #running(): StartedCommand {
    if (this.#end !== undefined) throw conflict(`run "${this.id}" has ended`);
    if (this.#command === undefined) throw conflict(`run "${this.id}" has not begun`);
    return this.#command;
  }

  /** From now on it does not end for lack of readers. */
  detach(): void {
    this.#detached = true;
    this.#graceTimer?.clear();
  }

  /** The readers that slow it and keep it alive. */
  get #attached(): Reader[] {
    return [...this.#readers].filter(({ observes }) => !observes);
  }

  /** The log before this offset has been sent to all of those. */
  get neededFrom(): number {
    return Math.min(...this.#attached.map(({ needsFrom }) => needsFrom));
  }

  attach(reader: Reader): void {
    this.#readers.add(reader);
    if (!reader.observes) this.#graceTimer?.clear();
    this.balance();
  }

  /** Removes a reader. A silent one may be asleep, so the session waits longer for it. */
  release(reader: Reader, fellSilent: boolean): void {
    this.#readers.delete(reader);
    this.balance();
    const isNeeded = this.#attached.length > 0 || this.#detached || this.#end !== undefined;
    if (reader.observes || isNeeded) return;
    const graceMs = this.#request.graceMs ?? defaultGraceMs;
    const waitMs = fellSilent ? Math.max(graceMs, this.#options.silentGraceMs) : graceMs;
    this.#graceTimer?.clear();
    this.#graceTimer = longTimer(() => void this.endBy('killed'), waitMs);
  }

  reader(name: string): Reader | undefined {
    return [...this.#readers].find((reader) => reader.name === name);
  }

  /** Pauses the command while the disk or an attached reader is behind. Call it when that may have changed. */
  balance(): void {
    const behind = this.#attached.some(({ isBehind }) => isBehind);
    this.#pump?.hold(behind || this.log.backlogBytes > diskLagBytes);
  }
}

const conflict = (message: string): GomoteError => new GomoteError('ERR_CONFLICT', message);
