import { spawnSync } from 'node:child_process';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ComputeApi } from '../../../src/backends/gce/compute.ts';
import { reachOf } from '../../../src/backends/gce/vm.ts';
import { newKeyPair } from '../../../src/client/key-pair.ts';
import { destroyVM, listVMs, startNewVM } from '../../../src/index.ts';
import {
  bearer,
  fakeCompute,
  hostType,
  project,
  vmPort,
  zoneA,
  zoneB,
} from '../../helpers/compute/fixture.ts';
import { until } from '../../helpers/processes.ts';
import { projectRoot } from '../../helpers/programs.ts';

const tls = await newKeyPair();
const metadata = (items: Record<string, string>) => ({
  metadata: { items: Object.entries(items).map(([key, value]) => ({ key, value })) },
});
const nic = (natIP?: string) => ({
  networkInterfaces: [
    { networkIP: '10.1.2.3', ...(natIP && { accessConfigs: [{ type: 'ONE_TO_ONE_NAT', natIP }] }) },
  ],
});
const secure = metadata({
  'buildlet-host-type': 'host-linux',
  'tls-cert': tls.certPem,
  'tls-key': tls.keyPem,
});
const plain = metadata({ 'buildlet-host-type': 'host-linux' });

describe('listVMs and destroyVM', () => {
  it('list all machines with a buildlet, over any number of pages, and end one', async () => {
    const fake = await fakeCompute();
    const call = { endpoint: fake.endpoint };
    for (let n = 0; n < 1_100; n++) fake.api.add(zoneA, { name: `vm-${n}`, ...plain });
    fake.api.add(zoneA, { name: 'no-buildlet' });
    fake.api.add(zoneB, { name: 'elsewhere', ...plain });
    const vms = await listVMs(bearer(), project, zoneA, call);
    expect(vms).toHaveLength(1_100);
    expect(vms[1_099]).toMatchObject({ name: 'vm-1099', type: 'host-linux' });
    expect(fake.count('instances.list')).toBe(3);
    await destroyVM(bearer(), project, zoneA, 'vm-7', call);
    await until(() => fake.api.instances.length === 1_101);
    await expect(destroyVM(bearer(), project, zoneA, 'vm-7', call)).rejects.toMatchObject({
      code: 'ERR_PLATFORM',
      reason: 'notFound',
    });
  });

  it('give what a client needs, and end machine and buildlet at once', async () => {
    const fake = await fakeCompute();
    const options = { zone: zoneA, projectId: project, endpoint: fake.endpoint, port: vmPort };
    const client = await startNewVM(bearer(), 'vm-1', hostType(), { ...options, tls });
    const [vm] = await listVMs(bearer(), project, zoneA, options);
    expect(vm).toMatchObject({ name: 'vm-1', ipPort: client.ipPort, type: 'host-linux' });
    expect(vm!.tls.password()).toBe(tls.password());
    const machine = fake.api.machineOf(zoneA, 'vm-1');
    // Compute Engine takes its time: the buildlet is the first to end its machine.
    fake.api.plan.beforeStep = ({ operationType }) =>
      operationType === 'delete' ? machine!.off : undefined;
    await client.destroyVM(() => destroyVM(bearer(), project, zoneA, 'vm-1', options));
    await until(() => fake.api.instances.length === 0);
  });

  it('are in the library without Google’s client, which loads with the first call', () => {
    const script = `
      import { createRequire } from 'node:module';
      import { listVMs } from './dist/index.js';
      const { cache } = createRequire(import.meta.url);
      const count = () => Object.keys(cache).filter((path) => path.endsWith('google-compute.cjs')).length;
      const before = count();
      await listVMs('key', 'p', 'z', { signal: AbortSignal.abort() }).catch(() => undefined);
      console.log(before, count() > 0);
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      cwd: projectRoot,
    });
    expect(stderr).toBe('');
    expect(stdout).toBe('0 true\n');
  });
});

describe('a buildlet is reached', () => {
  it.each([
    ['with TLS from outside, on 443', { ...secure, ...nic('34.1.2.3') }, '34.1.2.3:443'],
    ['without, from inside, on 80', { ...plain, ...nic() }, '10.1.2.3:80'],
    ['without TLS never from outside', { ...plain, ...nic('34.1.2.3') }, '10.1.2.3:80'],
    ['with TLS from inside, if it has no other address', { ...secure, ...nic() }, '10.1.2.3:443'],
    [
      'nowhere, when it was to have an external address and has got none',
      {
        ...secure,
        networkInterfaces: [{ networkIP: '10.1.2.3', accessConfigs: [{ type: 'ONE_TO_ONE_NAT' }] }],
      },
      undefined,
    ],
    ['nowhere before it has an address', { ...plain, networkInterfaces: [{}] }, undefined],
  ])('%s', (_, instance, ipPort) => {
    expect(reachOf(instance)?.ipPort).toBe(ipPort);
  });
});

describe('waiting for an operation', () => {
  it('ends at its deadline', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'silent';
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    onTestFinished(() => goOn());
    fake.api.plan.beforeStep = () => held;
    const api = new ComputeApi({ auth: bearer(), project, endpoint: fake.endpoint });
    const body = {
      name: 'vm-1',
      machineType: `projects/${project}/zones/${zoneA}/machineTypes/n1-standard-1`,
      disks: [{ boot: true, initializeParams: { sourceImage: 'x' } }],
      networkInterfaces: [{}],
    };
    const operation = await api.insert(zoneA, body, crypto.randomUUID(), {});
    await expect(
      api.waitFor('cannot create vm-1', zoneA, operation, { timeoutMs: 100 }),
    ).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      message: 'cannot create vm-1: not done after 0.1 s',
    });
    goOn();
  });
});
