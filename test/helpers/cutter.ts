// A TCP port whose connections are carried on to a server, with faults.
import type { NetConnectOpts } from 'node:net';
import { onTestFinished } from 'vitest';
import { Network } from '../../src/testing/network.ts';

export type { Fault } from '../../src/testing/faults.ts';

export type Cutter = Network & {
  /** `HOST:PORT` to connect to. */
  readonly address: string;
};

/** Starts one in front of `target` (`unix:PATH` or `HOST:PORT`), which ends with the test. */
export async function startCutter(target: string): Promise<Cutter> {
  const network = new Network();
  const { port, close } = await network.carry(
    '',
    { port: 0, host: '127.0.0.1' },
    optionsOf(target),
  );
  onTestFinished(close);
  return Object.assign(network, { address: `127.0.0.1:${port}` });
}

function optionsOf(target: string): NetConnectOpts {
  if (target.startsWith('unix:')) return { path: target.slice('unix:'.length) };
  const colon = target.lastIndexOf(':');
  return { host: target.slice(0, colon), port: Number(target.slice(colon + 1)) };
}
