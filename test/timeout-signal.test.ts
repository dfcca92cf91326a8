import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { timeoutSignal } from '../src/timeout-signal.ts';

it('aborts also when only AbortSignal.any knows of it and memory was collected', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const never = new AbortController().signal;
  const signals = Array.from({ length: 20 }, () => AbortSignal.any([never, timeoutSignal(50)]));
  collectGarbage();
  const reasons = signals.map(
    (signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(signal.reason.name), { once: true });
      }),
  );
  // Node's own timer keeps the process of the test going.
  const keeping = setTimeout(() => undefined, 5_000);
  expect(await Promise.all(reasons)).toEqual(reasons.map(() => 'TimeoutError'));
  clearTimeout(keeping);
});
