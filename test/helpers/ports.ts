// Servers and clients on both sides of forwarded ports.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { type Ended, ending } from './programs.ts';

/** A server here that sends back what comes; also the machine's of a local buildlet. */
export async function echoServer(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** What comes back of the text; nothing when the connection is refused. */
export async function sent(where: number | string, text: string): Promise<string> {
  const place = typeof where === 'string' ? { path: where } : { port: where, host: '127.0.0.1' };
  const socket = connect({ ...place, allowHalfOpen: true });
  let all = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    all += chunk;
  });
  socket.end(text);
  // One that is refused there is reset here.
  await new Promise((resolve) => socket.once('end', resolve).once('error', resolve));
  socket.destroy();
  return all;
}

/** The first lines that the program prints, and how it ends. */
export async function lines(
  program: ChildProcess,
  count: number,
): Promise<[string[], Promise<Ended>]> {
  const ended = ending(program);
  const found: string[] = [];
  const reader = createInterface({ input: program.stdout! });
  await new Promise<void>((resolve) => {
    reader.on('line', (line) => found.push(line) === count && resolve());
    program.once('exit', () => resolve());
  });
  return [found, ended];
}

/** The port of an address, or of the first address of a line. */
export const portOf = (address: string | undefined): number =>
  Number(/:([0-9]+)(?: |$)/.exec(address ?? '')?.[1]);
