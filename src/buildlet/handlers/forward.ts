// GET /forward/ports: which ports commands listen at. GET /forward, upgraded: connections to the sockets of commands, and
// those that come to a socket made for the client.
import type { Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import { breakOff, joinStreams } from '../../files/join-streams.ts';
import { sendError, sendText } from '../../http/server/reply.ts';
import type { Exchange, Handler } from '../../http/server/server.ts';
import { acceptUpgrade, noUpgradeText } from '../../http/server/upgrades.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import {
  formatTarget,
  forwardUpgrade,
  listeningHeader,
  listenParameter,
  parseTarget,
  reachHeader,
} from '../../protocol/forward.ts';
import type { MuxStream } from '../../reverse/mux-stream.ts';
import {
  type CallingLink,
  callingLink,
  type ReverseLink,
  servingLink,
} from '../../reverse/reverse-link.ts';
import type { Commands } from '../command/commands.ts';
import type { CommandSockets } from '../command/sockets.ts';

const label = 'the client';

export function listPorts(commands: Pick<Commands, 'ports'>, platform = process.platform): Handler {
  return async ({ response }) => {
    if (platform !== 'linux') {
      return sendError(response, 501, 'ports are listed on Linux alone', 'ERR_UNSUPPORTED');
    }
    sendText(response, JSON.stringify({ ports: await commands.ports() }), contentTypes.json);
  };
}

/** The connections that are forwarded at the moment. */
export class Forwards {
  readonly #sockets: CommandSockets;
  readonly #links = new Set<ReverseLink>();

  constructor(sockets: CommandSockets) {
    this.#sockets = sockets;
  }

  /** Answers the request, and resolves when its connection is over. */
  readonly handle = async (exchange: Exchange): Promise<void> => {
    const { request, response, query, upgrade } = exchange;
    if (upgrade === undefined) return sendError(response, 426, noUpgradeText, 'ERR_REQUEST');
    if (request.headers.upgrade !== forwardUpgrade) {
      return sendError(response, 400, `upgrade to ${forwardUpgrade}`, 'ERR_REQUEST');
    }
    const address = query.get(listenParameter);
    if (address !== null) return await this.#listen(address, exchange);
    const reach = this.#sockets.reach?.();
    acceptUpgrade(response, forwardUpgrade, reach === undefined ? {} : { [reachHeader]: reach });
    await this.#keep(
      servingLink(upgrade, { label }, (stream, words) => {
        this.#connect(stream, words).catch((error: Error) => stream.destroy(error));
      }),
    );
  };

  async #connect(stream: MuxStream, words: string): Promise<void> {
    const target = parseTarget(words);
    if (target === undefined) throw new Error('no socket has that address');
    const socket = await this.#sockets.connect(target);
    if (stream.destroyed) return void socket.destroy();
    stream.accept();
    await joinStreams(stream, socket);
  }

  async #listen(address: string, { response, upgrade }: Exchange): Promise<void> {
    const target = parseTarget(address);
    if (target === undefined || upgrade === undefined) {
      return sendError(response, 400, 'no socket can have that address', 'ERR_REQUEST');
    }
    let take: (connection: Socket) => void = (connection) => connection.destroy();
    const listening = await this.#sockets
      .listen(target, (connection) => take(connection))
      .catch((error: unknown) => sendError(response, 409, messageOf(error), 'ERR_CONFLICT'));
    if (listening === undefined) return;
    try {
      const at = encodeURI(formatTarget(listening.at));
      acceptUpgrade(response, forwardUpgrade, { [listeningHeader]: at });
      const link = callingLink(upgrade, { label });
      take = (connection) => this.#offer(connection, link);
      void listening.ended?.then(() => link.end('what listened there has ended', 0));
      await this.#keep(link);
    } finally {
      listening.close();
    }
  }

  #offer(connection: Socket, link: CallingLink): void {
    try {
      void joinStreams(link.open(), connection);
    } catch {
      // The client has announced its end, but earlier streams may still be open.
      connection.on('error', () => undefined);
      breakOff(connection);
    }
  }

  async #keep(link: ReverseLink): Promise<void> {
    this.#links.add(link);
    await link.ended;
    this.#links.delete(link);
  }

  close(): void {
    for (const link of this.#links) link.end('the buildlet ends', 0);
  }
}
