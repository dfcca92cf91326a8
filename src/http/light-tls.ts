// Connections of Node's own HTTP client to a server that is known by its key or certificate.
import { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { type Pin, pinCheck } from './pin.ts';

type Created = (error: Error | null, socket: Duplex) => void;

/** An agent that gives a connection to a request, and with it the password, only after the server has shown what is pinned. */
export function pinnedAgent(pin: Pin, where: { host: string; port: number }): Agent {
  const check = pinCheck(pin);
  const agent = new Agent({ keepAlive: true });
  return Object.assign(agent, {
    createConnection(_options: object, created: Created) {
      // A resumed session would skip the certificate: none is kept.
      const socket = connect({ ...where, rejectUnauthorized: false });
      socket.setNoDelay(true);
      socket.on('error', (error) => created(error, socket));
      socket.once('secureConnect', () => {
        const wrong = check(socket, where.host);
        if (wrong === undefined) return created(null, socket);
        socket.destroy();
        created(wrong, socket);
      });
      return undefined;
    },
  });
}
