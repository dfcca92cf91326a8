// The sessions of one buildlet: starting them, finding them again.
import { listReplyBytes } from '../../http/client/request.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import type { SessionInfo, SessionRequest } from '../../protocol/session.ts';
import type { CallOptions } from '../client-options.ts';
import type { Connection } from '../connection.ts';
import { randomId } from '../random-id.ts';
import { Session } from './session.ts';
import { sessionErrorOf } from './session-errors.ts';
import type { SessionOptions } from './session-options.ts';
import { loadReplies } from './session-reader.ts';

/** What a session runs and how; all but `cmd` may be left out. */
export interface StartSession extends Partial<SessionRequest> {
  /** The command: as given or found on PATH with `systemLevel`, else relative to the work directory. */
  readonly cmd: string;
  /** Starting the same id twice starts it once. Default: a fresh one. */
  readonly id?: string | undefined;
}

/**
 * The runs of one buildlet that outlive connections.
 *
 * @example
 * const session = await client.sessions.start({ cmd: 'make', systemLevel: true });
 * await session?.detach();
 * for (const { id } of await client.sessions.list()) await client.sessions.get(id).read();
 */
export class Sessions {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Starts a run that outlives connections; undefined when the buildlet knows no sessions (nothing was started then).
   * Read it at once, unless it is detached: that is how its output comes, and what it waits for.
   */
  async start(
    request: StartSession,
    options: SessionOptions & CallOptions = {},
  ): Promise<Session | undefined> {
    const { id = randomId(), env = [], ...wanted } = request;
    const { env: common = [], path } = this.#connection.options;
    const session = new Session(this.#connection, id, options);
    const defaults = { systemLevel: false, dir: '', args: [], debug: false };
    const all = { ...defaults, ...wanted, path: wanted.path ?? path, env: [...common, ...env] };
    return (await session.start(all, options)) ? session : undefined;
  }

  /** A session that was started before; nothing is asked of the buildlet yet. */
  get(id: string, options: SessionOptions = {}): Session {
    return new Session(this.#connection, id, options);
  }

  /** Those that the buildlet knows, running and finished; throws ERR_UNSUPPORTED when it knows none at all. */
  async list(options: CallOptions = {}): Promise<SessionInfo[]> {
    const connection = this.#connection;
    try {
      const { path } = endpoints.sessions;
      const request = { method: 'GET', path, heartbeat: false, ...options } as const;
      const text = await connection.callText(request, listReplyBytes);
      const { parseSessionInfos } = await loadReplies();
      return parseSessionInfos(text) ?? connection.badReply('not a list of runs', text);
    } catch (error) {
      throw sessionErrorOf(error, connection.options.label);
    }
  }
}
