// The connections to the machines of running sessions, with their uses and each machine's health.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import {
  type ErrorCode,
  GomoteError,
  isGomoteError,
  isOwnShortage,
  messageOf,
} from '../../errors.ts';
import { Relay } from '../../http/relay/proxy.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { Log } from '../log.ts';
import type { Pool } from '../pools/pool.ts';
import { lookAt, MachineRuns, type RunningRequest, runningThere } from './machine-runs.ts';
import type { Session } from './session.ts';

export type Health = 'unknown' | 'well' | 'silent' | 'dead';

interface MachineUse {
  readonly relay: Relay;
  readonly client: BuildletClient;
  /** Aborts when the session is over, with the reason. */
  readonly signal: AbortSignal;
  /** Begins a use. Call the result at its end, with whether a run may continue without it. */
  begin(request: RunningRequest): (leavesRun: boolean) => void;
  /** The machine need not answer until the result is called. */
  rest(): () => void;
}

/** A machine that has ended, one that its platform does not know, one that has not answered for long. */
export type MachineLoss = 'ended' | 'unknown' | 'silent';

interface MachineConnectionsOptions {
  /** How long a probe may take, in ms. */
  readonly probeTimeoutMs: number;
  /** How long a machine may be silent before it is given up, in ms. */
  readonly graceMs: number;
  readonly poolOf: (name: string | undefined) => Pool;
  /** Called when a session's machine is of no use any more. */
  readonly onDead: (name: string, reason: string, how: MachineLoss) => void;
  readonly onHealth: () => void;
  readonly isRunning: (name: string) => boolean;
  /** Whether the arguments of commands may be shown. */
  readonly withArguments: boolean;
  readonly log: Log;
}

/** How many probes in a row must fail for a machine to be given up, however short the grace time is. */
const failuresToDeath = 3;

/** A connection to the machine, and the client that knows how to released it. */
interface Connected {
  readonly relay: Relay;
  readonly client: BuildletClient;
}

interface Entry {
  /** Absent before the first use, and after it could not be made. */
  connected: Promise<Connected> | undefined;
  readonly end: AbortController;
  readonly running: Set<RunningRequest>;
  readonly runs: MachineRuns;
  failures: number;
  /** When it last answered, or was first used. */
  answeredAtMs: number;
  health: Health;
  isProbing: boolean;
  resting: number;
}

export class MachineConnections {
  readonly #options: MachineConnectionsOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: MachineConnectionsOptions) {
    this.#options = options;
  }

  healthOf(name: string): Health {
    return this.#entries.get(name)?.health ?? 'unknown';
  }

  /** What is wrong with the machine at the moment, and for how long. */
  troubleOf(name: string): string | undefined {
    const entry = this.#entries.get(name);
    if (entry?.health !== 'silent') return undefined;
    return `it has not answered for ${seconds(performance.now() - entry.answeredAtMs)}`;
  }

  /** Requests in progress, and the runs that continue without one, each once. */
  runningOf(name: string): RunningRequest[] {
    const entry = this.#entries.get(name);
    if (entry === undefined) return [];
    return runningThere([...entry.running], entry.runs.all, this.#options.withArguments);
  }

  /** Whether something passes, or runs there without anybody: it is not idle then. */
  isInUse(name: string): boolean {
    const entry = this.#entries.get(name);
    return entry !== undefined && (entry.running.size > 0 || entry.runs.all.length > 0);
  }

  /** The way to the session's machine. */
  async of(session: Session): Promise<MachineUse> {
    const entry = this.#entry(session.name);
    const { relay, client } = await this.#connected(entry, session);
    return {
      ...{ relay, client },
      signal: entry.end.signal,
      begin: (request) => {
        entry.running.add(request);
        return (leavesRun) => {
          entry.running.delete(request);
          if (!leavesRun) return;
          entry.runs.left();
          this.#probeAlone(session);
        };
      },
      rest: () => restOf(entry),
    };
  }

  #entry(name: string): Entry {
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const entry: Entry = {
      connected: undefined,
      end: new AbortController(),
      running: new Set(),
      runs: new MachineRuns(),
      failures: 0,
      answeredAtMs: performance.now(),
      health: 'unknown',
      isProbing: false,
      resting: 0,
    };
    this.#entries.set(name, entry);
    return entry;
  }

  async #connected(entry: Entry, session: Session): Promise<Connected> {
    entry.connected ??= this.#connect(session);
    try {
      return await entry.connected;
    } catch (error) {
      entry.connected = undefined;
      throw error;
    }
  }

  async #connect({ pool, machine = '' }: Session): Promise<Connected> {
    const client = await this.#options.poolOf(pool).connect(machine);
    return { client, relay: new Relay(client.target) };
  }

  /**
   * Probes every machine, which also keeps it from ending as unused; one after the other within the
   * time, so that a thousand of them are no burst.
   */
  async probe(sessions: readonly Session[], withinMs: number): Promise<void> {
    for (const session of sessions) {
      this.#probeAlone(session);
      await sleep(withinMs / sessions.length, undefined, { ref: false });
    }
  }

  /** A use of the machine failed: is it still there? */
  async suspect(session: Session, error: unknown): Promise<void> {
    if (!isGomoteError(error) || error.code === 'ERR_ABORTED') return;
    await this.#probe(session);
  }

  /** A probe without a waiting caller. */
  #probeAlone(session: Session): void {
    this.#probe(session).catch((error: unknown) => {
      this.#options.log.write('trouble', {
        what: `looking at ${session.name}: ${messageOf(error)}`,
      });
    });
  }

  async #probe(session: Session): Promise<void> {
    const { name } = session;
    // It may have ended since it was listed.
    if (!this.#options.isRunning(name)) return;
    const entry = this.#entry(name);
    if (entry.isProbing || entry.resting > 0) return;
    entry.isProbing = true;
    const health = entry.health;
    let isOther = false;
    try {
      const signal = anySignal(entry.end.signal, timeoutSignal(this.#options.probeTimeoutMs));
      const { relay } = await this.#connected(entry, session);
      isOther = await lookAt(relay, entry.runs, signal);
      entry.failures = 0;
      entry.answeredAtMs = performance.now();
      entry.health = 'well';
      this.#renew(session);
    } catch (error) {
      if (entry.end.signal.aborted) return;
      await this.#failed(session, entry, error);
    } finally {
      entry.isProbing = false;
      if (entry.health !== health || isOther) this.#options.onHealth();
    }
  }

  /** A machine stays healthy when its platform cannot be reached. */
  #renew({ name, pool, machine = '' }: Session): void {
    const call = { signal: timeoutSignal(this.#options.probeTimeoutMs) };
    const renew = async () => await this.#options.poolOf(pool).renew?.(machine, call);
    renew().catch((error: unknown) => {
      this.#options.log.write('trouble', { what: `renewing ${name}: ${messageOf(error)}` });
    });
  }

  async #failed(session: Session, entry: Entry, error: unknown): Promise<void> {
    const { name, machine = '' } = session;
    const { log, onDead } = this.#options;
    if (!isOfMachine(error)) {
      log.write('trouble', { what: `looking at ${name}: ${messageOf(error)}` });
      return;
    }
    entry.failures++;
    entry.health = 'silent';
    const explained = await this.#explain(session, error);
    log.write('probe-failed', { name, machine, what: messageOf(explained) });
    if (isGomoteError(explained, 'ERR_BUILDLET_DIED'))
      return onDead(name, messageOf(explained), 'ended');
    if (isGomoteError(explained, 'ERR_UNKNOWN_BUILDLET'))
      return onDead(name, messageOf(explained), 'unknown');
    const silentMs = performance.now() - entry.answeredAtMs;
    if (entry.failures < failuresToDeath || silentMs < this.#options.graceMs) return;
    onDead(name, `it did not answer for ${seconds(silentMs)}: ${messageOf(explained)}`, 'silent');
  }

  /** What the platform knows of the failure; the failure itself when the platform cannot be asked. */
  async #explain({ name, pool, machine = '' }: Session, error: unknown): Promise<unknown> {
    if (!isGomoteError(error)) return error;
    try {
      return (await this.#options.poolOf(pool).explain?.(machine, error)) ?? error;
    } catch (failure) {
      const what = `asking what became of ${name}: ${messageOf(failure)}`;
      this.#options.log.write('trouble', { what });
      return error;
    }
  }

  /** Releases the session's machine: what runs there fails with the reason. */
  async drop(name: string, reason?: GomoteError): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    entry.end.abort(reason ?? new GomoteError('ERR_CLOSED', `"${name}" was ended`));
    const connected = await entry.connected?.catch(() => undefined);
    connected?.relay.close();
    try {
      await connected?.client.disconnect();
    } catch (error) {
      this.#options.log.write('trouble', { what: `disconnecting ${name}: ${messageOf(error)}` });
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((name) => this.drop(name)));
  }
}

function restOf(entry: Entry): () => void {
  entry.resting++;
  return () => {
    entry.resting--;
    entry.answeredAtMs = performance.now();
  };
}

/** Failures of this coordinator, its configuration or the platform's API: they say nothing of a machine. */
const notOfMachines: readonly ErrorCode[] = [
  ...(['ERR_CONFIG', 'ERR_LOCAL_FILE', 'ERR_PLATFORM', 'ERR_UNAVAILABLE', 'ERR_QUOTA'] as const),
];

/** Whether the failure says something about the machine or the connection to it. */
function isOfMachine(error: unknown): boolean {
  if (isOwnShortage(error)) return false;
  if (isGomoteError(error)) return !notOfMachines.includes(error.code);
  return error instanceof Error && error.name === 'TimeoutError';
}

const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;
