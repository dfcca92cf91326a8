// A server that machines dial, as a coordinator does, and buildlets that dial it.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { connectReverse, type ReverseOptions } from '../../src/buildlet/reverse.ts';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { reverseUpgrade } from '../../src/protocol/reverse.ts';
import { type CallingLink, callingLink } from '../../src/reverse/reverse-link.ts';
import { startBuildlet, type TestBuildlet } from './buildlet.ts';

export interface ReverseServer {
  /** `HOST:PORT`. */
  readonly address: string;
  readonly links: { readonly link: CallingLink; readonly request: IncomingMessage }[];
  /** The next machine that dials. */
  next(): Promise<CallingLink>;
  /** Refuses those that dial with this, while it is set. */
  refusal: string | undefined;
}

export interface ReverseServerOptions {
  readonly heartbeatMs?: number;
  readonly tls?: { readonly cert: string; readonly key: string };
}

export async function startReverseServer(
  options: ReverseServerOptions = {},
): Promise<ReverseServer> {
  const server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
  const links: ReverseServer['links'] = [];
  const arrivals = new EventTarget();
  server.on('upgrade', (request, socket, head) => {
    if (result.refusal !== undefined) return void socket.end(result.refusal);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${reverseUpgrade}\r\n\r\n`,
    );
    const link = callingLink({ socket, head }, { label: 'the machine', ...options });
    links.push({ link, request });
    arrivals.dispatchEvent(new Event('link'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const { link } of links) link.end('the test is over');
  });
  const result: ReverseServer = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    links,
    refusal: undefined,
    next: async () => {
      await once(arrivals, 'link');
      return links.at(-1)!.link;
    },
  };
  return result;
}

export interface DiallingBuildlet extends TestBuildlet {
  /** Lines of the dialling's talk. */
  readonly talk: string[];
  hangUp(reason: string): Promise<void>;
}

/** A buildlet that dials `origin` until the test ends. */
export async function dialling(
  origin: string,
  options: Partial<ReverseOptions> = {},
): Promise<DiallingBuildlet> {
  const buildlet = await startBuildlet();
  const talk: string[] = [];
  const connection = connectReverse(
    {
      coordinator: origin,
      trust: {},
      key: 'the-key',
      hostType: 'host-mac',
      machine: 'mac1',
      waitMs: { first: 10, longest: 100 },
      ...options,
    },
    { onConnection: buildlet.serve, log: (line) => talk.push(line) },
  );
  onTestFinished(async () => {
    await Promise.all([connection.close('the test is over'), buildlet.close()]);
  });
  return { ...buildlet, talk, hangUp: connection.close };
}

/** The sections of a coordinator whose machines dial in, with the keys in `keys`. */
export const reversePool = `
[hosts.host-mac]
[builders.mac]
host = "host-mac"
[pools.macs]
kind = "reverse"
host = "host-mac"
key-file = "keys"
`;

/** A client of the machine at the other end of the link, disconnected with the test. */
export function clientOver(link: CallingLink): BuildletClient {
  const address = { kind: 'dial', label: 'the machine', dial: async () => link.open() } as const;
  const client = new BuildletClient(address);
  onTestFinished(() => client.disconnect());
  return client;
}
