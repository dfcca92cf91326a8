// A fake Compute API that ends with the test, and host types to make machines of.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { OAuth2Client } from 'googleapis-common';
import { afterAll, expect, onTestFinished } from 'vitest';
import type { GceMachine, HostType } from '../../../src/builders.ts';
import { schemaProblems } from './gcloud.ts';
import { type Exchange, type FakeCompute, startFakeCompute } from './server.ts';

export const project = 'test-project';
export const [zoneA, zoneF, zoneB] = ['us-central1-a', 'us-central1-f', 'europe-west1-b'] as const;

/**
 * The port of every machine's buildlet, each on an address of its own. It is this process's for as long as it lives: nobody
 * else is given a port that is listened on at 127.0.0.1, which no machine has.
 */
export const vmPort = await reservePort();

async function reservePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const exchanges: Exchange[] = [];

// Neither what our code sends nor what the fake answers may drift from what the real API knows.
afterAll(async () => {
  expect(await schemaProblems(exchanges)).toEqual([]);
}, 60_000);

export async function fakeCompute(): Promise<FakeCompute> {
  const fake = await startFakeCompute(project, [zoneA, zoneF, zoneB]);
  onTestFinished(async () => {
    await fake.close();
    exchanges.push(...fake.exchanges);
  });
  return fake;
}

/** A coordinator's pool of machines from the fake: the builder type `vm`. */
export const vmPool = ({ endpoint }: FakeCompute, maximum: number): string => `
  [backends.vms]
  kind = "gce"
  project = "${project}"
  zones = ["${zoneA}"]
  endpoint = "${endpoint}"
  port = ${vmPort}
  [hosts.host-vm.gce]
  image = "linux-buildlet"
  machine-type = "n1-standard-1"
  [builders.vm]
  host = "host-vm"
  [pools.vms]
  kind = "backend"
  backend = "vms"
  host = "host-vm"
  maximum = ${maximum}
`;

export function hostType(changes: Partial<GceMachine> = {}): HostType {
  const gce = { image: 'linux-buildlet', machineType: 'n1-standard-1', ...changes };
  return { name: 'host-linux', gce };
}

/** Credentials that need no other server. */
export function bearer(token = 'secret-token'): OAuth2Client {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: token, expiry_date: Date.now() + 3_600_000 });
  return client;
}
