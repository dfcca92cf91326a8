// Every way a command can end, by the base protocol and as a session.
import { describe, expect, it } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { signals } from '../../src/protocol/signals.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { times } from '../helpers/counts.ts';

/** Signals that do not end a process. */
const harmless = 'CHLD CONT STOP TSTP TTIN TTOU URG WINCH'.split(' ').map((name) => `SIG${name}`);

const ways: Record<string, (client: BuildletClient, script: string) => Promise<unknown>> = {
  'the base protocol': async (client, script) => {
    const args = ['-c', script];
    const { exitCode, signal } = await client.exec('/bin/sh', { systemLevel: true, args });
    return exitCode ?? signal;
  },
  'a session': async (client, script) => {
    const args = ['-c', script];
    const session = await client.sessions.start({ cmd: '/bin/sh', systemLevel: true, args });
    const { end } = await session!.read();
    return end.code ?? end.signal;
  },
};

async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += 16) {
    results.push(...(await Promise.all(items.slice(at, at + 16).map(work))));
  }
  return results;
}

describe.each(Object.entries(ways))('through %s', (_, run) => {
  it('the exit status arrives, from 0 to 255', async () => {
    const client = clientOf(await startBuildlet());
    const all = Array.from({ length: 256 }, (_unused, status) => status);
    const step = times(5, 1);
    const statuses = all.filter(
      (status) => status % step === 0 || [1, 126, 127, 128].includes(status),
    );
    expect(await inTurns(statuses, (status) => run(client, `exit ${status}`))).toEqual(statuses);
  });

  it('every signal that ends a process arrives', async () => {
    const client = clientOf(await startBuildlet());
    const ending = signals.filter(({ name }) => !harmless.includes(name));
    const script = (number: number) => `ulimit -c 0; kill -${number} $$; sleep 10`;
    const names = await inTurns(ending, ({ number }) => run(client, script(number)));
    expect(names).toEqual(ending.map(({ name }) => name));
  });
});
