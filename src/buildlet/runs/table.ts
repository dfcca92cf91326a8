// The sessions of a buildlet: each id starts once, finished ones are kept within a quota of disk space.
import { hash } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { textOf } from '../../protocol/form.ts';
import type { SessionInfo, SessionRequest } from '../../protocol/session.ts';
import type { RunCommands } from '../command/commands.ts';
import type { LineSearch } from './line-search.ts';
import { SessionLog } from './log.ts';
import { namedLagBytes } from './reading.ts';
import { Session } from './session.ts';

export interface SessionLimits {
  /** How much disk space all logs may take, in bytes. Default 1 GiB. */
  readonly quotaBytes?: number | undefined;
  /** How long to wait for space on a full disk before the command gets the error, in ms. Default 10 s. */
  readonly fullWaitMs?: number | undefined;
  /** The heartbeat interval of each side of a session, in ms. Default 10 s. */
  readonly pingMs?: number | undefined;
  /** Where logs are kept. Default: a new temporary directory, removed at the end. */
  readonly directory?: string | undefined;
}

/** How long a session continues when its reader fell silent without disconnecting, like a sleeping laptop, in ms. */
const silentGraceMs = 30 * 60_000;

/** The maximum number of finished sessions. */
const rememberedSessions = 10_000;

const defaultQuotaBytes = 1 << 30;
const defaultFullWaitMs = 10_000;

interface Entry {
  readonly session: Session;
  /** A digest of the request that started it, which may be megabytes. */
  readonly formDigest: string;
  readonly over: Promise<void>;
}

export class SessionTable {
  readonly #commands: RunCommands;
  readonly #directory: string;
  readonly #limits: { readonly quotaBytes: number; readonly fullWaitMs: number };
  /** Called when a session begins; what it returns is called when the session has ended. */
  readonly #use: () => () => void;
  readonly #entries = new Map<string, Entry>();
  #finished: Session[] = [];
  #keptBytes = 0;

  private constructor(
    commands: RunCommands,
    directory: string,
    limits: SessionLimits,
    use: () => () => void,
  ) {
    this.#commands = commands;
    this.#directory = directory;
    this.#use = use;
    this.#limits = {
      quotaBytes: limits.quotaBytes ?? defaultQuotaBytes,
      fullWaitMs: limits.fullWaitMs ?? defaultFullWaitMs,
    };
  }

  static async create(
    commands: RunCommands,
    limits: SessionLimits,
    use: () => () => void,
  ): Promise<SessionTable> {
    const parent = limits.directory ?? tmpdir();
    return new SessionTable(commands, await mkdtemp(join(parent, 'buildlet-logs-')), limits, use);
  }

  /** The session of that id; throws ERR_UNKNOWN_SESSION. */
  get(id: string): Session {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry.session;
    throw new GomoteError('ERR_UNKNOWN_SESSION', `no run "${id}"`);
  }

  list(): SessionInfo[] {
    return [...this.#entries.values()].map(({ session }) => session.info);
  }

  /** Starts the session unless it was started before; `form` is the raw request. */
  start(id: string, form: string, request: SessionRequest, breaks?: LineSearch): Session {
    const known = this.#entries.get(id);
    const formDigest = hash('sha256', form, 'base64');
    if (known?.formDigest === formDigest) return known.session;
    if (known !== undefined) {
      throw new GomoteError('ERR_CONFLICT', `run "${id}" runs another command`);
    }
    const session = new Session({
      id,
      request,
      breaks,
      command: shownCommand(request),
      makeLog: (owner) => this.#makeLog(owner),
      silentGraceMs,
    });
    const unused = this.#use();
    const over = session.run(this.#commands).finally(() => {
      unused();
      if (this.#entries.get(id)?.session !== session) return;
      this.#finished.push(session);
      if (this.#finished.length > rememberedSessions) this.#forget();
    });
    this.#entries.set(id, { session, formDigest, over });
    return session;
  }

  #makeLog(session: Session): SessionLog {
    const { quotaBytes, fullWaitMs } = this.#limits;
    return new SessionLog({
      path: join(this.#directory, session.id),
      segmentBytes: Math.min(16 << 20, Math.ceil(quotaBytes / 16)),
      fullWaitMs,
      mayRunAhead: () => 2 * this.#runningCount * namedLagBytes <= quotaBytes,
      onWritten: (sizeBytes) => {
        this.#keptBytes += sizeBytes;
        while (
          this.#keptBytes > quotaBytes &&
          (this.#dropUnneeded() || this.#drop(this.#byAge()[0]))
        ) {}
        session.balance();
      },
      onFull: () => void this.#dropUnneeded({ unread: false }),
      onFailure: (error) => session.fail(error),
    });
  }

  get #runningCount(): number {
    return this.#entries.size - this.#finished.length;
  }

  /**
   * Drops some output that no attached reader waits for: the oldest of the session that ended first, else of those
   * running; first output that some reader already has. Returns false when there is none.
   */
  #dropUnneeded({ unread = true } = {}): boolean {
    const unneeded = (session: Session) => canDropBefore(session, session.neededFrom);
    const finished = this.#finished.find(unneeded);
    if (finished !== undefined) return this.#drop(finished);
    const running = this.#byAge().filter(unneeded);
    const isRead = (session: Session) => canDropBefore(session, session.acknowledged);
    return this.#drop(running.find(isRead) ?? (unread ? running[0] : undefined));
  }

  /** The sessions with output to drop, the one with the oldest first. */
  #byAge(): Session[] {
    const age = ({ log }: Session) => log.oldest?.age ?? 0;
    return [...this.#entries.values()]
      .map(({ session }) => session)
      .filter(({ log }) => log.oldest !== undefined)
      .sort((a, b) => age(a) - age(b));
  }

  #drop(session: Session | undefined): boolean {
    const freed = session?.log.dropOldest() ?? 0;
    this.#keptBytes -= freed;
    return freed > 0;
  }

  #forget(): void {
    const session = this.#finished.shift();
    if (session === undefined) return;
    this.#dropOutput(session);
    this.#entries.delete(session.id);
  }

  #dropOutput({ log }: Session): void {
    for (let freed = 1; freed > 0; this.#keptBytes -= freed) freed = log.dropOldest();
  }

  /** Ends every session and forgets all of them, with their output. */
  async clear(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    this.#finished = [];
    await Promise.all(
      entries.map(async ({ session, over }) => {
        await session.endBy('killed');
        await over;
        await session.log.flushed();
        this.#dropOutput(session);
      }),
    );
  }

  end(): void {
    for (const { session } of this.#entries.values()) session.closing();
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ session }) => session.log.flushed()));
    await removeTree(this.#directory);
  }
}

/** How much of a command is kept for display, in characters. */
const shownLimit = 4_096;

/** The command with its arguments, for people; `…` stands for what is left out. */
function shownCommand({ cmd, args }: SessionRequest): string[] {
  const words: string[] = [];
  let left = shownLimit;
  for (const word of [cmd, ...args]) {
    if (left <= 0) return [...words, '…'];
    const text = textOf(word);
    const shown = text.length <= left ? text : `${text.slice(0, left)}…`;
    // Copied: a substring keeps the whole string in memory.
    words.push(Buffer.from(shown).toString());
    left -= shown.length + 1;
  }
  return words;
}

/** Whether its oldest output can be dropped, and lies before that place in its log. */
const canDropBefore = ({ log: { oldest } }: Session, place: number): boolean =>
  oldest !== undefined && oldest.end <= place;
