import { expect, it } from 'vitest';
import { parseConfig } from '../../../src/gomote/config/config-file.ts';

const parse = (text: string) => parseConfig([{ path: 'config.toml', bytes: Buffer.from(text) }]);

it('a backend of virtual machines has the defaults that docs/compute-engine.md gives', () => {
  const { backends, catalogue } = parse(`
    default = "vms"
    [backends.vms]
    kind = "gce"
    project = "example.com:my-project"
    zones = ["us-central1-f", "europe-west12-a"]
    external-ip = false
    idle-timeout = "10m"
    max-lifetime = "2h"
    port = 8443
    api-rate = 5
    endpoint = "https://compute.example.com/"
    caches = { size = "20g" }
    [hosts.vm.gce]
    image = "linux-buildlet"
    machine-type = "n1-standard-4"
    disk-size-gb = 50
    regular-disk = true
    pricing = "spot"
    min-cpu-platform = "Intel Haswell"
    network = "n"
    subnetwork = "s"
    buildlet-url = "https://example.com/buildlet"
    meta = { color = "blue" }
    [builders.linux]
    host = "vm"
  `);
  expect(backends.get('vms')).toEqual({
    kind: 'gce',
    name: 'vms',
    project: 'example.com:my-project',
    zones: ['us-central1-f', 'europe-west12-a'],
    externalIp: false,
    idleTimeoutMs: 600_000,
    maxLifetimeMs: 7_200_000,
    port: 8443,
    apiRate: 5,
    endpoint: 'https://compute.example.com/',
    caches: { sizeBytes: 20 * 1024 ** 3, type: 'pd-balanced' },
  });
  expect(catalogue.hosts.find(({ name }) => name === 'vm')?.gce).toEqual({
    image: 'linux-buildlet',
    machineType: 'n1-standard-4',
    diskSizeGb: 50,
    regularDisk: true,
    pricing: 'spot',
    minCpuPlatform: 'Intel Haswell',
    network: 'n',
    subnetwork: 's',
    buildletUrl: 'https://example.com/buildlet',
    meta: { color: 'blue' },
  });
});

const backend = 'kind = "gce"\nproject = "my-project"\nzones = ["us-central1-f"]\n';

it('the configuration requires a project and a zone, and has defaults for the rest', () => {
  expect(parse(`[backends.vms]\n${backend}`).backends.get('vms')).toEqual({
    ...{ kind: 'gce', name: 'vms', project: 'my-project', zones: ['us-central1-f'] },
    ...{ endpoint: undefined, port: undefined, externalIp: true, apiRate: 20 },
    ...{ idleTimeoutMs: 1_800_000, maxLifetimeMs: 86_400_000, caches: undefined },
  });
});

it.each([
  ['kind = "gce"\nzones = ["us-central1-f"]', 'backends.vms.project is missing'],
  ['kind = "gce"\nproject = "my-project"', 'backends.vms.zones is missing'],
  ['kind = "gce"\nproject = "my-project"\nzones = []', 'backends.vms.zones.0'],
  [backend.replace('my-project', 'My Project'), 'backends.vms.project: "My Project"'],
  [backend.replace('us-central1-f', 'us-central1'), 'backends.vms.zones.0: "us-central1"'],
  [`${backend}endpoint = "http://compute.example.com/"`, 'endpoint: "http://compute.example.com/"'],
  [`${backend}endpoint = "https://compute.example.com/v1"`, 'give https://HOST/'],
  [`${backend}api-rate = 0`, 'backends.vms.api-rate: 0'],
  [`${backend}port = 99999`, 'backends.vms.port: 99999'],
  [`${backend}max-lifetime = "40s30"`, 'backends.vms.max-lifetime'],
  [`${backend}caches = {}`, 'backends.vms.caches.size is missing'],
  [`${backend}caches = { size = "big" }`, 'backends.vms.caches.size: "big"'],
  [`${backend}caches = { size = "1g", type = "a/b" }`, 'a type of disk is such as "pd-ssd"'],
  [`${backend}url = "https://h"`, 'unknown key backends.vms.url'],
])('the configuration refuses %j', (section, message) => {
  expect(() => parse(`[backends.vms]\n${section}`)).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(message) }),
  );
});

it.each([
  ['machine-type = "m"', 'hosts.vm.gce.image is missing'],
  ['image = "i"', 'hosts.vm.gce.machine-type is missing'],
  ['image = ""\nmachine-type = "m"', 'hosts.vm.gce.image: "": it is empty'],
  ['image = "i"\nmachine-type = "m"\npricing = "free"', '"standard", "spot" or "preemptible"'],
])('the configuration refuses a host type with %j', (section, message) => {
  expect(() => parse(`[hosts.vm.gce]\n${section}`)).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(message) }),
  );
});
