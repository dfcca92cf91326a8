import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { gceGate } from '../../../src/backends/gce/gate.ts';
import type { StartVmOptions } from '../../../src/backends/gce/options.ts';
import { startNewVM } from '../../../src/backends/gce/start-vm.ts';
import type { HostType } from '../../../src/builders.ts';
import { newKeyPair } from '../../../src/client/key-pair.ts';
import type { PlatformError } from '../../../src/errors.ts';
import type { Instance } from '../../helpers/compute/api.ts';
import {
  bearer,
  fakeCompute,
  hostType,
  project,
  vmPort,
  zoneA,
  zoneB,
  zoneF,
} from '../../helpers/compute/fixture.ts';
import type { FakeCompute, Fault } from '../../helpers/compute/server.ts';
import { times } from '../../helpers/counts.ts';
import { startMetadataServer } from '../../helpers/metadata-server.ts';
import { until } from '../../helpers/processes.ts';
import { random } from '../../helpers/random.ts';

const tls = await newKeyPair();

async function start(
  fake: FakeCompute,
  options: Partial<StartVmOptions> = {},
  host: string | HostType = hostType(),
) {
  const client = await startNewVM(bearer(), 'vm-1', host, {
    ...{ zone: zoneA, projectId: project, endpoint: fake.endpoint, port: vmPort, tls },
    ...options,
  });
  onTestFinished(() => client.disconnect());
  return client;
}

/** What `start` fails with. */
const failure = async (...args: Parameters<typeof start>): Promise<PlatformError> =>
  await start(...args).then(
    () => expect.unreachable('it did not fail'),
    (error) => error,
  );

const verbs = (fake: FakeCompute) => fake.exchanges.map(({ verb }) => verb);
const inserts = (fake: FakeCompute) =>
  fake.exchanges.filter(({ verb }) => verb === 'instances.insert');
const metadataOf = (fake: FakeCompute) => {
  const { metadata } = inserts(fake)[0]!.body as Instance;
  return Object.fromEntries(metadata!.items!.map(({ key, value }) => [key, value]));
};
const isUnfinished = (answer: unknown) =>
  /^(PENDING|RUNNING)$/.test((answer as { status?: string })?.status ?? '') &&
  'operationType' in (answer as object);

describe('startNewVM', () => {
  it('requests the machine of the host type, and gives a client of the buildlet on it', async () => {
    const fake = await fakeCompute();
    const told: string[] = [];
    const hook = (name: string) => () => void told.push(name);
    const client = await start(
      fake,
      {
        meta: { color: 'blue', 'idle-timeout': '30m' },
        labels: { team: 'build' },
        deleteInMs: 3_600_000,
        onInstanceRequested: hook('requested'),
        onInstanceCreated: hook('created'),
        onGotInstanceInfo: hook('info'),
        onBeginBuildletProbe: (url) => void told.push(`probe ${url}`),
        onEndBuildletProbe: (error) => void told.push(error === undefined ? 'up' : 'not yet'),
      },
      hostType({ buildletUrl: 'https://example.com/buildlet', diskSizeGb: 20 }),
    );
    expect((await client.probe()).expires!.getTime()).toBeGreaterThan(Date.now() + 29 * 60_000);
    expect((await client.status()).version).toBe(11);
    expect(inserts(fake)[0]!.body).toEqual({
      name: 'vm-1',
      description: 'buildlet of host type host-linux',
      machineType: `projects/${project}/zones/${zoneA}/machineTypes/n1-standard-1`,
      disks: [
        {
          autoDelete: true,
          boot: true,
          type: 'PERSISTENT',
          initializeParams: {
            diskName: 'vm-1',
            sourceImage: `projects/${project}/global/images/linux-buildlet`,
            diskType: `projects/${project}/zones/${zoneA}/diskTypes/pd-ssd`,
            diskSizeGb: '20',
          },
        },
      ],
      networkInterfaces: [
        {
          network: `projects/${project}/global/networks/default`,
          accessConfigs: [{ type: 'ONE_TO_ONE_NAT', name: 'External NAT' }],
        },
      ],
      tags: { items: ['https-server'] },
      labels: { team: 'build' },
      metadata: { items: expect.any(Array) },
      scheduling: {
        preemptible: false,
        provisioningModel: 'STANDARD',
        automaticRestart: false,
        maxRunDuration: { seconds: '3600' },
        instanceTerminationAction: 'DELETE',
      },
    });
    expect(metadataOf(fake)).toEqual({
      color: 'blue',
      'idle-timeout': '30m',
      'buildlet-binary-url': 'https://example.com/buildlet',
      'buildlet-host-type': 'host-linux',
      'tls-cert': tls.certPem,
      'tls-key': tls.keyPem,
      password: tls.password(),
      'delete-at': expect.stringMatching(/^[0-9]{10}$/),
      listen: `:${vmPort}`,
      'gomote-request': expect.any(String),
    });
    expect(
      Math.abs(Number(metadataOf(fake)['delete-at']) * 1_000 - Date.now() - 3_600_000),
    ).toBeLessThan(30_000);
    expect(told.slice(0, 4)).toEqual(['requested', 'created', 'info', `probe ${client.url}`]);
    expect(told.at(-1)).toBe('up');
    expect(verbs(fake)).toEqual(['instances.insert', 'zoneOperations.wait', 'instances.get']);
  });

  it('reaches a machine without a key pair from inside, by plain HTTP without a password', async () => {
    const fake = await fakeCompute();
    const client = await start(fake, { tls: undefined, deleteInMs: Number.POSITIVE_INFINITY });
    expect(client.url).toMatch(/^http:/);
    expect((await client.status()).version).toBe(11);
    const [machine] = fake.api.instances;
    expect(machine?.networkInterfaces?.[0]?.accessConfigs).toBeUndefined();
    expect(client.ipPort).toBe(`${machine?.networkInterfaces?.[0]?.networkIP}:${vmPort}`);
    expect(Object.keys(metadataOf(fake)).sort()).toEqual([
      'buildlet-host-type',
      'gomote-request',
      'listen',
    ]);
    expect(machine?.scheduling).not.toHaveProperty('maxRunDuration');
  });

  it('uses the host type’s disk, network, platform and price', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'here';
    const host = hostType({
      image: 'projects/debian-cloud/global/images/family/debian-12',
      regularDisk: true,
      minCpuPlatform: 'Intel Haswell',
      pricing: 'spot',
      subnetwork: 'regions/us-central1/subnetworks/builders',
      meta: { 'startup-script': '#!/bin/sh' },
    });
    await start(fake, {}, host);
    expect(inserts(fake)[0]!.body).toMatchObject({
      minCpuPlatform: 'Intel Haswell',
      disks: [{ initializeParams: { sourceImage: host.gce!.image } }],
      networkInterfaces: [{ subnetwork: 'regions/us-central1/subnetworks/builders' }],
      scheduling: {
        preemptible: true,
        provisioningModel: 'SPOT',
        instanceTerminationAction: 'DELETE',
        automaticRestart: false,
        maxRunDuration: { seconds: '1800' },
      },
    });
    const { disks, networkInterfaces } = fake.api.instances[0]!;
    expect(disks![0]!.initializeParams).not.toHaveProperty('diskType');
    expect(networkInterfaces![0]).not.toHaveProperty('network');
    expect(metadataOf(fake)['startup-script']).toBe('#!/bin/sh');
  });

  it('waits until the operation is done, also when the API’s wait call returns early', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'here';
    fake.api.plan.waitLimitMs = 20;
    // The operation goes on by a step each time that it has been waited for in vain.
    let seen = 0;
    fake.api.plan.beforeStep = async () => {
      await until(() => fake.exchanges.filter(({ answer }) => isUnfinished(answer)).length > seen);
      seen++;
    };
    await start(fake);
    const states = fake.exchanges
      .filter(({ verb }) => verb === 'zoneOperations.wait')
      .map(({ answer }) => (answer as { status: string }).status);
    expect(states.at(-1)).toBe('DONE');
    expect(states.length).toBeGreaterThan(1);
  });

  it.each([
    ['QUOTA_EXCEEDED', "Quota 'CPUS' exceeded. Limit: 24.0", 'ERR_QUOTA'],
    ['ZONE_RESOURCE_POOL_EXHAUSTED', 'the zone has not enough resources', 'ERR_NO_CAPACITY'],
    ['ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS', 'not enough of it', 'ERR_NO_CAPACITY'],
    ['CONDITION_NOT_MET', 'Constraint vmExternalIpAccess violated', 'ERR_PLATFORM'],
  ])(
    'fails with the error that matches when an operation ends with %s',
    async (code, message, ours) => {
      const fake = await fakeCompute();
      fake.api.plan.insertError = () => ({ code, message });
      const error = await failure(fake);
      expect(error).toMatchObject({ name: 'PlatformError', code: ours, reason: code });
      expect(error.message).toBe(`cannot create vm-1 in ${zoneA}: ${message} (${code})`);
      expect(fake.api.instances).toEqual([]);
    },
  );

  it('continues to the next zone when a zone has no room', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'here';
    fake.api.plan.insertError = (_, zone) =>
      zone === zoneB ? undefined : { code: 'ZONE_RESOURCE_POOL_EXHAUSTED', message: 'none' };
    const client = await start(fake, { moreZones: [zoneF, zoneB] });
    expect(client.description).toBe(zoneB);
    expect(inserts(fake).map(({ zone }) => zone)).toEqual([zoneA, zoneF, zoneB]);
    expect(fake.api.instances).toHaveLength(1);
    const types = inserts(fake).map(({ body }) => (body as { machineType: string }).machineType);
    expect(types[2]).toContain(`zones/${zoneB}/`);
  });

  it('pays the full price under another name when no cheaper machine is available', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'here';
    fake.api.plan.insertError = ({ scheduling }) =>
      scheduling?.preemptible
        ? { code: 'ZONE_RESOURCE_POOL_EXHAUSTED', message: 'none' }
        : undefined;
    for (const pricing of ['spot', 'preemptible'] as const) {
      const fallbackToFullPrice = vi.fn(() => `${pricing}-at-full-price`);
      const options = { moreZones: [zoneF], fallbackToFullPrice };
      const client = await start(fake, options, hostType({ pricing }));
      expect(client.name).toBe(`${pricing}-at-full-price`);
      expect(fallbackToFullPrice).toHaveBeenCalledOnce();
      const tried = inserts(fake)
        .slice(-3)
        .map(({ zone, body }) => [zone, (body as { name: string }).name]);
      expect(tried).toEqual([
        [zoneA, 'vm-1'],
        [zoneF, 'vm-1'],
        [zoneA, `${pricing}-at-full-price`],
      ]);
    }
    expect(await failure(fake, {}, hostType({ pricing: 'spot' }))).toMatchObject({
      code: 'ERR_NO_CAPACITY',
    });
  });

  it.each<[string, Fault, object]>([
    [
      '403',
      { status: 403, reason: 'forbidden', message: 'Required permission' },
      { code: 'ERR_UNAUTHORIZED' },
    ],
    [
      '401',
      { status: 401, reason: 'authError' },
      { code: 'ERR_UNAUTHORIZED', hint: expect.stringContaining('gcloud auth') },
    ],
    [
      '404',
      { status: 404, reason: 'notFound', message: 'no image' },
      { code: 'ERR_PLATFORM', reason: 'notFound' },
    ],
    ['409', { status: 409, reason: 'alreadyExists' }, { code: 'ERR_NAME_TAKEN' }],
    ['a quota at once', { status: 403, reason: 'quotaExceeded' }, { code: 'ERR_QUOTA' }],
    ['400', { status: 400, reason: 'invalid' }, { code: 'ERR_PLATFORM', reason: 'invalid' }],
  ])('reports a refusal: %s', async (_, fault, expected) => {
    const fake = await fakeCompute();
    fake.fault = (verb) => (verb === 'instances.insert' ? fault : undefined);
    expect(await failure(fake)).toMatchObject(expected);
    // What was surely not made need not be removed.
    expect(verbs(fake)).toEqual(['instances.insert']);
  });

  it('leaves alone a machine that already has the name', async () => {
    const fake = await fakeCompute();
    fake.api.add(zoneA, { name: 'vm-1' });
    expect(await failure(fake)).toMatchObject({ code: 'ERR_NAME_TAKEN', reason: 'alreadyExists' });
    expect(fake.api.instances).toHaveLength(1);
  });

  it('tries again when there are too many calls, or when the API is down for a moment', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'here';
    const soon = { 'Retry-After': '0' };
    const faults: Fault[] = [
      { status: 429, reason: 'rateLimitExceeded', headers: soon },
      { status: 403, reason: 'rateLimitExceeded', headers: soon },
      { status: 503, headers: soon },
      { status: 500, headers: soon },
    ];
    fake.fault = (_, nth) => faults[nth];
    await start(fake);
    expect(verbs(fake)).toEqual([
      ...Array(5).fill('instances.insert'),
      ...Array(5).fill('zoneOperations.wait'),
      ...Array(5).fill('instances.get'),
    ]);
    const ids = inserts(fake).map(({ params }) => params.requestId);
    expect(new Set(ids).size).toBe(1);
  });

  it('makes one machine when the reply to its request is lost', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'here';
    fake.fault = (verb, nth) =>
      verb === 'instances.insert' && nth === 0 ? 'cut-after' : undefined;
    await start(fake);
    expect(inserts(fake)).toHaveLength(2);
    expect(fake.api.instances).toHaveLength(1);
  });

  it('removes a machine whose creation got no reply', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'here';
    fake.fault = (verb) =>
      verb === 'instances.insert'
        ? { status: 503, headers: { 'Retry-After': '0' }, after: true }
        : undefined;
    expect(await failure(fake)).toMatchObject({ code: 'ERR_UNAVAILABLE' });
    expect(inserts(fake)).toHaveLength(6);
    await until(() => fake.api.instances.length === 0);
    // Another's machine of that name is not touched.
    fake.api.add(zoneA, { name: 'vm-1' });
    await failure(fake);
    expect(fake.api.instances[0]?.status).toBe('RUNNING');
  });

  it('does not keep a machine that got no external address', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'silent';
    fake.api.plan.givesExternalIp = false;
    const error = await failure(fake);
    expect(error).toMatchObject({
      code: 'ERR_MACHINE',
      message: 'vm-1 did not get an external IP address',
    });
    await until(() => fake.api.instances.length === 0);
  });

  it('reports the end of the log of a machine whose buildlet never answers, and removes it', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'silent';
    const error = await failure(fake, { probeTimeoutMs: 100 });
    expect(error).toMatchObject({
      code: 'ERR_MACHINE',
      message: expect.stringMatching(/^the buildlet on vm-1 did not answer within 0.1 s: /),
      hint: 'the end of its log: Booting / startup-script: cannot fetch the buildlet',
    });
    await until(() => fake.api.instances.length === 0);
  });

  it('notices that the machine ended while it waited for the buildlet', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'stops';
    const error = await failure(fake, { probeTimeoutMs: 400 });
    expect(error).toMatchObject({
      code: 'ERR_MACHINE',
      reason: 'TERMINATED',
      message: 'vm-1 ended before its buildlet answered: it is terminated',
    });
    await until(() => fake.api.instances.length === 0);
  });

  it('reports when the machine that failed could not be removed', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'silent';
    fake.fault = (verb) =>
      verb === 'instances.delete' ? { status: 403, reason: 'forbidden', message: 'no' } : undefined;
    expect(await failure(fake, { probeTimeoutMs: 50 })).toMatchObject({
      code: 'ERR_MACHINE',
      message: expect.stringMatching(
        /did not answer.*; and vm-1 in us-central1-a may be left: .*: no/,
      ),
      hint: expect.stringContaining('gomote reap'),
    });
  });

  it('runs gceGate.hook before every call of the API', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'here';
    const hook = vi.fn();
    const own = vi.fn();
    gceGate.hook = hook;
    onTestFinished(() => {
      gceGate.hook = undefined;
    });
    await start(fake, { gate: own });
    expect(hook).toHaveBeenCalledTimes(fake.exchanges.length);
    expect(own).toHaveBeenCalledTimes(fake.exchanges.length);
  });

  it('finds the default credentials, as on a machine of Google', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'here';
    fake.token = 'of-the-machine';
    const metadata = await startMetadataServer({}, 'of-the-machine');
    onTestFinished(() => metadata.close());
    vi.stubEnv('GCE_METADATA_HOST', metadata.host);
    vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
    vi.stubEnv('HOME', '/nonexistent');
    onTestFinished(() => void vi.unstubAllEnvs());
    const client = await startNewVM(undefined, 'vm-1', hostType(), {
      ...{ zone: zoneA, projectId: project, endpoint: fake.endpoint, port: vmPort, tls },
    });
    await client.disconnect();
    expect(fake.exchanges.every(({ status }) => status === 200)).toBe(true);
  });

  it('reveals no secret in its errors', async () => {
    const fake = await fakeCompute();
    fake.fault = () => ({ status: 400, reason: 'invalid' });
    const error = await failure(fake);
    const shown = inspect(error, { depth: 20, showHidden: true });
    expect(shown).toContain('invalid');
    for (const secret of [tls.password(), 'PRIVATE KEY', 'secret-token']) {
      expect(shown).not.toContain(secret);
    }
  });

  it.each([
    [{ zone: '' }, hostType(), { code: 'ERR_USAGE', message: 'startNewVM needs the option zone' }],
    [{ projectId: '' }, hostType(), { message: 'startNewVM needs the option projectId' }],
    [{}, 'host-nobody', { code: 'ERR_UNKNOWN_TYPE', message: 'unknown host type "host-nobody"' }],
    [
      {},
      'host-local',
      { code: 'ERR_UNKNOWN_TYPE', message: 'host type "host-local" is not made on Compute Engine' },
    ],
    [
      {},
      { name: 'host-pod', kubernetes: { image: 'x' } },
      { message: expect.stringContaining('it is a pod') },
    ],
  ])('refuses %j before it sends a request', async (options, host, expected) => {
    const fake = await fakeCompute();
    expect(await failure(fake, options, host)).toMatchObject(expected);
    expect(fake.exchanges).toEqual([]);
  });
});

describe('startNewVM that is cancelled', () => {
  const hooks = [
    'onProgress',
    'onInstanceRequested',
    'onInstanceCreated',
    'onGotInstanceInfo',
    'onBeginBuildletProbe',
    'onEndBuildletProbe',
  ] as const;

  it.each(hooks)('in %s leaves nothing', async (name) => {
    const fake = await fakeCompute();
    const cancel = new AbortController();
    const error = await failure(fake, { signal: cancel.signal, [name]: () => cancel.abort() });
    expect(error).toMatchObject({ code: 'ERR_ABORTED' });
    await until(() => fake.api.instances.length === 0);
  });

  it('while the request is on its way waits for the reply, and removes the machine', async () => {
    const fake = await fakeCompute();
    const cancel = new AbortController();
    fake.fault = (verb) => {
      if (verb === 'instances.insert') cancel.abort();
      return undefined;
    };
    expect(await failure(fake, { signal: cancel.signal })).toMatchObject({ code: 'ERR_ABORTED' });
    await until(() => fake.api.instances.length === 0);
    expect(verbs(fake)).toEqual(['instances.insert', 'instances.delete']);
  });

  it('before the machine can be deleted deletes it as soon as it can be', async () => {
    const fake = await fakeCompute();
    const notReady = { status: 400, reason: 'resourceNotReady', message: 'not ready' };
    const notFound = { status: 404, reason: 'notFound', message: 'not there yet' };
    for (const fault of [notReady, notFound]) {
      const first = fake.count('instances.delete');
      fake.fault = (verb, nth) =>
        verb === 'instances.delete' && nth === first ? fault : undefined;
      const cancel = new AbortController();
      const onInstanceRequested = () => cancel.abort();
      const error = await failure(fake, { signal: cancel.signal, onInstanceRequested });
      expect(error).toMatchObject({ code: 'ERR_ABORTED' });
      expect(fake.count('instances.delete')).toBe(first + 2);
      await until(() => fake.api.instances.length === 0);
    }
  });

  it('at any moment leaves nothing', async () => {
    const fake = await fakeCompute();
    const count = times(8, 200);
    for (let i = 0; i < count; i++) {
      const cancel = new AbortController();
      const timer = setTimeout(() => cancel.abort(), random(300));
      const client = await start(fake, { signal: cancel.signal }).catch(() => undefined);
      clearTimeout(timer);
      // A creation that was quicker than its cancellation stands.
      if (client !== undefined) fake.api.delete(zoneA, 'vm-1');
      await until(() => fake.api.instances.length === 0);
    }
  });
});
