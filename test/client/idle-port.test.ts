// A connection to a port of a buildlet over which nothing passes for a day.
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { echoServer } from '../helpers/ports.ts';

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  });
});
afterEach(() => void vi.useRealTimers());

/** All parties are in this process: each gets its turns after every step of the clock. */
async function passDay(): Promise<void> {
  const stepMs = 5_000;
  for (let ms = 0; ms < 86_400_000; ms += stepMs) {
    vi.advanceTimersByTime(stepMs);
    for (let i = 0; i < 20; i++) await turn();
  }
}

async function echoed(stream: Duplex, text: string): Promise<string> {
  stream.write(text);
  const [chunk] = await once(stream, 'data');
  return String(chunk);
}

it('an idle connection to a port of a buildlet is open after 24 hours', async () => {
  const client = clientOf(await startBuildlet({ password: 'secret' }), 'secret');
  const port = await echoServer();
  const stream = await client.ports.connect({ kind: 'tcp', host: '127.0.0.1', port });
  onTestFinished(() => void stream.destroy());
  expect(await echoed(stream, 'before')).toBe('before');
  await passDay();
  expect(await echoed(stream, 'after')).toBe('after');
});
