import { MessageChannel } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { Channel } from '../../src/worker/channel.ts';
import { Feed } from '../../src/worker/feed.ts';
import { StoppableSource } from '../../src/worker/stoppable-source.ts';

const mebibyte = 1 << 20;

function ends(onMessage?: (message: string) => void) {
  const { port1, port2 } = new MessageChannel();
  const one = new Channel<string>(port1);
  const other = new Channel<never, string>(port2, onMessage);
  onTestFinished(() => {
    one.close();
    other.close();
  });
  return { one, other };
}

it.each([
  ['small, of a pool', 100],
  ['large', 300_000],
])('a channel carries pieces that are %s', async (_, size) => {
  const { one, other } = ends();
  one.send(Buffer.alloc(size, 1));
  one.send(Buffer.alloc(size, 2));
  one.end();
  const received = [];
  for await (const piece of other.receive()) received.push([piece.length, piece.at(-1)]);
  expect(received).toEqual([
    [size, 1],
    [size, 2],
  ]);
});

it('a sender waits while a MiB has not been consumed', async () => {
  const { one, other } = ends();
  let sentBytes = 0;
  const sending = (async () => {
    while (sentBytes < 8 * mebibyte) {
      one.send(Buffer.alloc(256 << 10));
      sentBytes += 256 << 10;
      await one.ready();
    }
    one.end();
  })();
  let usedBytes = 0;
  for await (const piece of other.receive()) {
    await new Promise((resolve) => setImmediate(resolve));
    expect(sentBytes - usedBytes).toBeLessThanOrEqual(mebibyte);
    usedBytes += piece.length;
  }
  await sending;
  expect(usedBytes).toBe(8 * mebibyte);
});

it('a channel transports messages besides bytes', async () => {
  const messages: string[] = [];
  const { one, other } = ends((message) => messages.push(message));
  one.post('first');
  one.send(Buffer.from('bytes'));
  one.end();
  const pieces = [];
  for await (const piece of other.receive()) pieces.push(String(piece));
  expect({ messages, pieces }).toEqual({ messages: ['first'], pieces: ['bytes'] });
});

it('after a cancel, the other end reads what was sent, then fails', async () => {
  const { one, other } = ends();
  one.send(Buffer.from('sent'));
  one.cancel();
  const pieces = other.receive();
  expect(String((await pieces.next()).value)).toBe('sent');
  await expect(pieces.next()).rejects.toMatchObject({ code: 'ERR_LOST' });
  await expect(other.turn()).rejects.toMatchObject({ code: 'ERR_LOST' });
});

it('a sender that waits fails when the other end cancels', async () => {
  const { one, other } = ends();
  one.send(Buffer.alloc(2 * mebibyte));
  const waiting = one.ready();
  other.cancel();
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_LOST' });
});

it('a feed sends small chunks while the reader is idle, and gathers them while it is busy', async () => {
  const { port1, port2 } = new MessageChannel();
  const one = new Channel<never, never>(port1);
  const other = new Channel<never, never>(port2);
  const feed = new Feed(
    one,
    new StoppableSource(
      (async function* () {
        for (let i = 0; i < 1_000; i++) yield Buffer.from([i % 256]);
      })(),
    ),
  );
  const fed = feed.run();
  const pieces = [];
  for await (const piece of other.receive()) pieces.push(piece);
  await fed;
  one.close();
  expect(pieces.length).toBeLessThan(1_000);
  expect(Buffer.concat(pieces)).toEqual(Buffer.from(Array.from({ length: 1_000 }, (_, i) => i)));
});

it('a feed sends everything before the failure of its source, and keeps the reason', async () => {
  const { port1, port2 } = new MessageChannel();
  const one = new Channel<never, never>(port1);
  const other = new Channel<never, never>(port2);
  const source = (async function* () {
    yield Buffer.from('some');
    throw new Error('cut');
  })();
  const feed = new Feed(one, new StoppableSource(source));
  await feed.run();
  const pieces = other.receive();
  expect(String((await pieces.next()).value)).toBe('some');
  await expect(pieces.next()).rejects.toMatchObject({ code: 'ERR_LOST' });
  expect(feed.failure).toMatchObject({ code: 'ERR_LOST', message: 'tar error: cut' });
  one.close();
});
