import { expect, it } from 'vitest';
import { Outage } from '../../../src/client/runs/outage.ts';
import { GomoteError } from '../../../src/errors.ts';

const address = { kind: 'tcp', origin: 'http://127.0.0.1:1' } as const;
const { signal } = new AbortController();
const lost = new GomoteError('ERR_LOST', 'the connection was lost');

const outage = (diagnoseLoss?: () => Promise<GomoteError | undefined>) =>
  new Outage({ peer: { address, remoteName: '', diagnoseLoss }, reconnectMs: 60_000, signal });

it.each(['ECONNREFUSED', 'ENOENT'])(
  'a buildlet of this machine whose socket fails with %s is reported as gone after a moment',
  async (code) => {
    const peer = { address: { kind: 'unix', path: '/nowhere' }, remoteName: '' } as const;
    const waiting = new Outage({ peer, reconnectMs: 60_000, signal });
    const cause = Object.assign(new Error(`connect ${code}`), { code });
    const refused = new GomoteError('ERR_CONNECT', 'cannot connect', { cause });
    const tries = async () => {
      for (let n = 0; n < 20; n++) await waiting.wait(refused);
    };
    await expect(tries()).rejects.toMatchObject({
      code: 'ERR_CONNECT',
      message: 'the buildlet is gone: cannot connect',
      cause,
    });
  },
);

it('an outage continues while the buildlet may still exist', async () => {
  await outage().wait(lost);
  await outage(async () => undefined).wait(lost);
});

it('an outage ends with the reason as soon as the buildlet is known to be gone', async () => {
  const died = new GomoteError('ERR_BUILDLET_DIED', 'it has died');
  let asked = 0;
  const waiting = outage(async () => (asked++ === 0 ? undefined : died));
  await waiting.wait(lost);
  await expect(waiting.wait(lost)).rejects.toBe(died);
});

it('an outage waits longer each time until there is progress, also when the peer answers in between', async () => {
  const waiting = outage();
  const waitMs = async () => {
    const startMs = performance.now();
    await waiting.wait(lost);
    return performance.now() - startMs;
  };
  for (let n = 0; n < 3; n++) {
    await waiting.wait(lost);
    waiting.heard();
  }
  // Timers may be late, never early: the fourth wait is eight times the first.
  expect(await waitMs()).toBeGreaterThan(390);
});
