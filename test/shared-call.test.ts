import { describe, expect, it } from 'vitest';
import { SharedCall } from '../src/shared-call.ts';

/** A call that ends when it is told to, or cancelled. */
function scene() {
  const calls: {
    resolve: (value: string) => void;
    reject: (error: Error) => void;
    signal: AbortSignal;
  }[] = [];
  const shared = new SharedCall(
    (signal) =>
      new Promise<string>((resolve, reject) => {
        calls.push({ resolve, reject, signal });
        signal.addEventListener('abort', () => reject(new Error('cancelled')), { once: true });
      }),
  );
  return { shared, calls };
}

describe('a shared call', () => {
  it('is made once for concurrent callers, and again for later ones', async () => {
    const { shared, calls } = scene();
    const both = [shared.join(), shared.join(new AbortController().signal)];
    calls[0]?.resolve('first');
    expect(await Promise.all(both)).toEqual(['first', 'first']);
    const later = shared.join();
    calls[1]?.resolve('second');
    expect(await later).toBe('second');
  });

  it('continues when the first caller leaves', async () => {
    const { shared, calls } = scene();
    const first = new AbortController();
    const [left, stayed] = [shared.join(first.signal), shared.join()];
    first.abort(new Error('Ctrl-C'));
    await expect(left).rejects.toThrow('Ctrl-C');
    expect(calls[0]?.signal.aborted).toBe(false);
    calls[0]?.resolve('there');
    expect(await stayed).toBe('there');
  });

  it('is cancelled when all callers have left, and made again for the next', async () => {
    const { shared, calls } = scene();
    const callers = [new AbortController(), new AbortController()];
    const results = callers.map(({ signal }) => shared.join(signal));
    for (const caller of callers) caller.abort(new Error('left'));
    for (const result of results) await expect(result).rejects.toThrow('left');
    expect(calls[0]?.signal.aborted).toBe(true);
    const next = shared.join();
    calls[1]?.resolve('anew');
    expect(await next).toBe('anew');
  });

  it('fails for all waiting callers, and is made again for the next', async () => {
    const { shared, calls } = scene();
    const both = [shared.join(), shared.join()];
    calls[0]?.reject(new Error('no'));
    for (const result of both) await expect(result).rejects.toThrow('no');
    const next = shared.join();
    calls[1]?.resolve('yes');
    expect(await next).toBe('yes');
  });

  it('is not started for a caller that has already left', async () => {
    const { shared, calls } = scene();
    await expect(shared.join(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(calls.length).toBe(0);
  });
});
