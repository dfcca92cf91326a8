// A `gomote once` that is interrupted or killed leaves nothing, whenever that is.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processesWith, until } from '../../helpers/processes.ts';
import { ending, workshop } from '../../helpers/programs.ts';

/** When it happens: at what `--verbose` says, or as soon as there is a process of the buildlet. */
const moments: ReadonlyArray<[string, RegExp | 'process']> = [
  ['while the buildlet starts', 'process'],
  ['when the buildlet answers', /GET \/ 200/],
  ['when it is held', /\/hold\?graceMs/],
  ['in the push', /\/sync\/state/],
  ['when the tree is there', /push: done/],
  ['while the command runs', /POST \/session/],
  ['when the command has ended', /run: done/],
  ['when the files have come', /get: done/],
];

function startOnce(script: string, options: readonly string[] = []) {
  const shop = workshop();
  for (let i = 0; i < 50; i++) writeFileSync(join(shop.directory, `file-${i}`), `${i}\n`);
  const args = ['once', '--verbose', '--get', 'r', '--exclude', 'gomote', ...options];
  const child = shop.start('gomote', [...args, '--', 'sh', '-c', script]);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const reach = async (moment: RegExp | 'process') => {
    const isThere = () =>
      moment === 'process'
        ? processesWith('buildlet.js').some((pid) => processesWith(shop.directory).includes(pid))
        : moment.test(said);
    await until(() => isThere() || child.exitCode !== null);
  };
  /** Nothing of a buildlet is left: no process, and nothing that is listed. */
  const nothingStays = async () => {
    await until(() => processesWith(shop.directory).length === 0);
    expect((await shop.gomote('list')).stdout.toString()).toBe('');
  };
  return { ...shop, child, reach, nothingStays, over: ending(child) };
}

const signals = ['SIGKILL', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const;

describe('gomote once that gets a signal', () => {
  // All of them at once, for each takes a while.
  it.each(moments)('%s leaves nothing', async (_when, moment) => {
    const isLate = String(moment).includes('done');
    const script = isLate ? 'echo 1 > r' : 'echo 1 > r; sleep 600 & wait';
    const started = signals.map((signal) => ({ signal, ...startOnce(script) }));
    await Promise.all(
      started.map(async ({ signal, child, reach, nothingStays, over }) => {
        await reach(moment);
        child.kill(signal);
        await over;
        await nothingStays();
      }),
    );
  });
});

describe('gomote once that is interrupted again and again', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('by %s leaves nothing', async (signal) => {
    const { child, reach, nothingStays, over } = startOnce(
      "trap '' INT TERM; while :; do sleep 1; done",
    );
    await reach(/POST \/session/);
    for (let i = 0; i < 3; i++) {
      child.kill(signal);
      // Signals that come together are one.
      await new Promise(setImmediate);
    }
    const again = setInterval(() => child.kill(signal), 200);
    await over.finally(() => clearInterval(again));
    await nothingStays();
  });
});

describe('gomote once that is killed', () => {
  it('leaves what --keep always keeps', async () => {
    const { child, reach, over, gomote } = startOnce('sleep 600', ['--keep', 'always']);
    await reach(/POST \/session/);
    child.kill('SIGKILL');
    await over;
    expect((await gomote('ping', 'me-local-0')).code).toBe(0);
  });

  it('leaves nothing with --keep failure, for nobody knows whether it has failed', async () => {
    const { child, reach, over, nothingStays } = startOnce('sleep 600', ['--keep', 'failure']);
    await reach(/POST \/session/);
    child.kill('SIGKILL');
    await over;
    await nothingStays();
  });
});
