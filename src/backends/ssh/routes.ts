// The connection to a buildlet on a host: a local socket that ssh forwards, or a process there that copies the data.
import { existsSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { type GomoteError, isErrno } from '../../errors.ts';
import { openSocket } from '../../http/client/open-socket.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { RequestLog } from '../backend.ts';
import type { SshConnection } from './connections.ts';
import type { FoundBuildlet } from './messages.ts';
import type { SshHost } from './ssh-host.ts';

/** The time limit for a buildlet to answer over a forwarded socket, in ms. */
const probeMs = 10_000;

interface RouteOptions {
  readonly onRequest: RequestLog;
  /** The host that the user has typed. */
  readonly hostOf: (text: string) => Promise<SshHost>;
  /** Why the buildlet will never answer again, if its host says so. */
  readonly diagnose: (connection: SshConnection) => Promise<GomoteError | undefined>;
}

export class Routes {
  readonly #options: RouteOptions;

  constructor(options: RouteOptions) {
    this.#options = options;
  }

  client(connection: SshConnection): BuildletClient {
    const { name, password, host } = connection;
    const { onRequest, diagnose } = this.#options;
    const dial = (signal?: AbortSignal) => this.#dial(connection, signal);
    return new BuildletClient(
      { kind: 'dial', label: `ssh ${host}`, dial },
      { password },
      {
        name,
        description: `(ssh ${host})`,
        onRequest,
        diagnoseLoss: () => diagnose(connection).catch(() => undefined),
      },
    );
  }

  /** Reconnects to the host if needed, before anything else, because ssh may prompt. */
  async prepare(connection: SshConnection, signal: AbortSignal): Promise<void> {
    if (existsSync(connection.master)) return;
    await (await this.#options.hostOf(connection.host)).link.open(signal);
  }

  async #dial(
    { name, host, socket, forwarded }: SshConnection,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Duplex> {
    if (forwarded === undefined) {
      return await (await this.#options.hostOf(host)).dialByProcess(name, signal);
    }
    const address = { kind: 'unix', path: forwarded } as const;
    try {
      return await openSocket(address, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isErrno(error, 'ENOENT', 'ECONNREFUSED')) throw error;
    }
    // The master of the forward has ended.
    await (await this.#options.hostOf(host)).link.forward(socket, signal);
    return await openSocket(address, signal);
  }

  /** Finds out how to reach a buildlet. */
  async find(
    host: SshHost,
    { instance, socket, password }: FoundBuildlet,
    signal: AbortSignal,
  ): Promise<SshConnection> {
    const { name, owner } = instance;
    const { text, link } = host;
    const connection = { name, owner, host: text, socket, password, master: link.control };
    if (!link.canForward(socket)) return connection;
    const forwarded = link.forwardedSocket(socket);
    const client = this.client({ ...connection, forwarded });
    try {
      await client.probe({ signal: anySignal(signal, timeoutSignal(probeMs)) });
      return { ...connection, forwarded };
    } catch {
      // The server may not allow forwarding.
      signal.throwIfAborted();
      await link.unforward(socket);
      return connection;
    } finally {
      await client.disconnect();
    }
  }
}
