import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { tokenBucket } from '../src/rate-limit.ts';
import { anySignal, ownSignal, timeoutSignal } from '../src/timeout-signal.ts';
import { clientOf, startBuildlet } from './helpers/buildlet.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Calls `act` while memory is collected again and again. */
async function collecting<T>(act: () => Promise<T>): Promise<T> {
  // It also keeps the process going, which signals do not.
  const timer = setInterval(collectGarbage, 5);
  try {
    return await act();
  } finally {
    clearInterval(timer);
  }
}

const never = new AbortController().signal;

describe('a timeout signal that nothing else references aborts despite garbage collection', () => {
  it.each([
    ['a timeout of ours', () => anySignal(never, timeoutSignal(50))],
    ['a timeout of Node', () => anySignal(never, AbortSignal.timeout(50))],
    ['a timeout of Node alone', () => ownSignal(AbortSignal.timeout(50))],
    ['one made of others', () => anySignal(never, ownSignal(anySignal(AbortSignal.timeout(50))))],
  ])('with %s', async (_what, make) => {
    const signals = Array.from({ length: 20 }, make);
    const reasons = await collecting(() =>
      Promise.all(
        signals.splice(0).map(
          (signal) =>
            new Promise<unknown>((resolve) => {
              signal.addEventListener('abort', () => resolve(signal.reason.name), { once: true });
            }),
        ),
      ),
    );
    expect(reasons).toEqual(Array(20).fill('TimeoutError'));
  });
});

describe('AbortSignal.timeout ends a call of the library', () => {
  it.each([
    [
      'exec',
      async (signal: AbortSignal) => {
        const client = clientOf(await startBuildlet());
        await client.exec('sleep', { args: ['600'], systemLevel: true, signal });
      },
    ],
    [
      'read',
      async (signal: AbortSignal) => {
        const client = clientOf(await startBuildlet());
        const request = { cmd: 'sleep', args: ['600'], systemLevel: true };
        await (await client.sessions.start(request))?.read({ signal });
      },
    ],
    [
      'tokenBucket',
      async (signal: AbortSignal) => await tokenBucket({ perSecond: 1e-3, burst: 0 })(signal),
    ],
  ])('in %s', async (_name, call) => {
    const ended = collecting(() => call(AbortSignal.timeout(200)));
    await expect(ended).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      cause: expect.objectContaining({ name: 'TimeoutError' }),
    });
  });
});
