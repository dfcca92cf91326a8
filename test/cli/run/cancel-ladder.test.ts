// What signals do to a run, step by step.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Context } from '../../../src/cli/context.ts';
import { CancelLadder, type LadderOptions } from '../../../src/cli/run/cancel-ladder.ts';
import type { Session } from '../../../src/client/runs/session.ts';
import { GomoteError } from '../../../src/errors.ts';

const reminder = /^gomote: it still runs; Ctrl-C again ends it/;

function setUp(options: Partial<LadderOptions> = {}, failure?: GomoteError) {
  const said: string[] = [];
  const sent: unknown[][] = [];
  const givenUp: string[] = [];
  let detached = 0;
  let listener: ((name: NodeJS.Signals) => void) | undefined;
  const session = {
    id: 'x',
    kill: async (name: string, { killAfterMs }: { killAfterMs?: number }) => {
      sent.push(killAfterMs === undefined ? [name] : [name, killAfterMs]);
      if (failure !== undefined) throw failure;
    },
    detach: async () => {
      detached++;
    },
  } as unknown as Session;
  const context = {
    signal: new AbortController().signal,
    messages: { remark: (line: string) => said.push(`gomote: ${line}`) },
    interrupts: {
      take: (taker: (name: NodeJS.Signals) => void) => {
        listener = taker;
        return () => {
          listener = undefined;
        };
      },
      giveUp: (name: string) => givenUp.push(name),
    },
  } as unknown as Context;
  const ladder = new CancelLadder(session, context, {
    name: 'N',
    killAfterMs: 5_000,
    onHangup: 'kill',
    ...options,
  });
  const signal = async (...names: NodeJS.Signals[]) => {
    for (const name of names) listener?.(name);
    await vi.advanceTimersByTimeAsync(0);
  };
  const later = () => vi.advanceTimersByTimeAsync(60_000);
  return { ladder, said, sent, givenUp, signal, later, detached: () => detached };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the signals of a run', () => {
  it('begin with Ctrl-C, which sends INT and announces once what the next one does', async () => {
    const { sent, said, signal, later } = setUp();
    await signal('SIGINT');
    expect([sent, said]).toEqual([[['SIGINT']], []]);
    await later();
    expect(said).toEqual([expect.stringMatching(reminder)]);
  });

  it('print nothing more of a run that has ended', async () => {
    const { ladder, said, signal, later } = setUp();
    await signal('SIGINT');
    ladder.release();
    await later();
    expect(said).toEqual([]);
  });

  it.each([
    ['a signal', ['SIGTERM']],
    ['leaving it', ['SIGINT', 'SIGINT', 'SIGINT']],
  ] as const)('may cross the end of the run without a failure: %s', async (_what, names) => {
    const { ladder, said, sent, signal } = setUp({}, new GomoteError('ERR_CLOSED', 'closed'));
    const crossing = signal(...names);
    const before = [...said];
    ladder.release();
    await crossing;
    expect(sent).not.toEqual([]);
    expect(said).toEqual(before);
  });

  it('end it at a second Ctrl-C, without the reminder of the first', async () => {
    const { sent, said, signal, later } = setUp();
    await signal('SIGINT', 'SIGINT');
    await later();
    expect(sent).toEqual([['SIGINT'], ['SIGTERM', 5_000]]);
    expect(said).toEqual(['gomote: ending it: TERM, and KILL 5 s later; Ctrl-C leaves it']);
  });

  it('leave it at a third Ctrl-C, once, however often it comes', async () => {
    const { ladder, said, signal, later, detached, givenUp } = setUp();
    await signal('SIGINT', 'SIGINT', 'SIGINT', 'SIGINT', 'SIGINT');
    await later();
    expect([detached(), givenUp, ladder.hasLeft]).toEqual([1, ['SIGINT'], true]);
    expect(said.slice(1)).toEqual(['gomote: x is left running; pick it up: gomote attach N x']);
    expect(ladder.signal.aborted).toBe(true);
  });

  it('detach it once when they leave it twice', async () => {
    const { ladder, detached, said, givenUp } = setUp();
    await Promise.all([ladder.leave(), ladder.leave()]);
    await ladder.leave();
    expect([detached(), said.length, givenUp.length]).toEqual([1, 1, 1]);
  });

  it.each([
    ['SIGTERM', {}, 'SIGTERM'],
    ['SIGHUP', {}, 'SIGTERM'],
    ['SIGTERM', { tty: true }, 'SIGHUP'],
    ['SIGHUP', { tty: true }, 'SIGHUP'],
    ['SIGTERM', { onHangup: 'detach' }, 'SIGTERM'],
  ] as const)('send for %s with %j %s, and the second time KILL', async (name, options, ending) => {
    const { sent, signal, ladder } = setUp(options);
    await signal(name, name);
    expect(sent).toEqual([
      [ending, 5_000],
      [ending, 0],
    ]);
    expect(ladder.received).toBe(name);
  });

  it('leave it when the terminal is lost, on request', async () => {
    const { sent, signal, detached } = setUp({ onHangup: 'detach' });
    await signal('SIGHUP');
    expect([sent, detached()]).toEqual([[], 1]);
  });

  it('pass on QUIT, however often, and do not count it', async () => {
    const { sent, said, signal, later } = setUp();
    await signal('SIGQUIT', 'SIGQUIT', 'SIGQUIT', 'SIGINT');
    await later();
    expect(sent).toEqual([['SIGQUIT'], ['SIGQUIT'], ['SIGQUIT'], ['SIGINT']]);
    expect(said).toEqual([expect.stringMatching(reminder)]);
  });

  it('are not taken after the release', async () => {
    const { ladder, sent, signal } = setUp();
    ladder.release();
    await signal('SIGINT', 'SIGTERM');
    expect([sent, ladder.received]).toEqual([[], undefined]);
  });
});

describe('a signal that cannot be sent', () => {
  it('to a run that has ended is not reported', async () => {
    const { said, signal, ladder } = setUp({}, new GomoteError('ERR_CONFLICT', 'ended'));
    await signal('SIGTERM');
    expect([said, ladder.signal.aborted]).toEqual([[], false]);
  });

  it('to a run that nobody knows ends the waiting with that error', async () => {
    const failure = new GomoteError('ERR_UNKNOWN_SESSION', 'no run');
    const { said, signal, ladder } = setUp({}, failure);
    await signal('SIGTERM');
    expect([said, ladder.signal.reason]).toEqual([[], failure]);
  });

  it('for another reason is reported', async () => {
    const { said, signal, ladder } = setUp({}, new GomoteError('ERR_CONNECT', 'cut'));
    await signal('SIGTERM');
    expect(ladder.signal.aborted).toBe(false);
    expect(said).toEqual([
      'gomote: SIGTERM could not be sent; Ctrl-C again to try more, or to leave',
    ]);
  });
});
