// Pushes through a coordinator with a store, to machines that get contents in one of two ways.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { push } from '../../src/sync/push/push.ts';
import type { PushOptions } from '../../src/sync/push/push-options.ts';
import type { PushSummary } from '../../src/sync/push/push-target.ts';
import { snapshot } from '../tar/tree.ts';
import type { TestBuildlet } from './buildlet.ts';

/** A tree without what a push does not send. */
export const seen = (top: string): string[] =>
  snapshot(top).map((line) => line.replace(/ 40755 .*/, '').slice(0, 100));

export async function pushTo(
  client: BuildletClient,
  top: string,
  options: Partial<PushOptions> = {},
): Promise<PushSummary> {
  const { signal } = new AbortController();
  const [result] = await push([client], top, { dir: 'tree', signal, ...options });
  if (result?.status !== 'fulfilled') throw result?.reason;
  return result.value;
}

/** How a machine gets what the store has: it reads the store, which is on its host, or is sent it. */
export type Way = 'reads' | 'is sent';

export const ways: readonly Way[] = ['reads', 'is sent'];

/** A port that leads to a buildlet. One that `is sent` contents is not found when it is asked whether it reaches the store. */
export async function portTo({ address }: TestBuildlet, way: Way) {
  const counted = { bytes: 0, address: '' };
  const server = createServer((socket) => {
    const onward = connect(String(address).slice('unix:'.length));
    socket.on('data', (piece) => {
      counted.bytes += piece.length;
      if (way === 'reads') return void onward.write(piece);
      const hidden = piece.toString('latin1').replace('GET /sync/reach', 'GET /sync/wrong');
      onward.write(Buffer.from(hidden, 'latin1'));
    });
    onward.on('data', (piece) => socket.write(piece));
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  counted.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return counted;
}
