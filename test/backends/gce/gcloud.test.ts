// The same fake that our client is tested on, driven by Google's own.
import { describe, expect, it } from 'vitest';
import { GceBackend } from '../../../src/backends/gce/backend.ts';
import {
  bearer,
  fakeCompute,
  hostType,
  project,
  vmPort,
  zoneF,
} from '../../helpers/compute/fixture.ts';
import { gcloud, gcloudRoot, schemaProblems } from '../../helpers/compute/gcloud.ts';

const { signal } = new AbortController();

describe.runIf(gcloudRoot !== undefined)('gcloud', () => {
  it('creates, lists, describes and deletes machines of the fake API, and sees ours', async () => {
    const fake = await fakeCompute();
    fake.api.plan.machine = () => 'silent';
    const run = (...args: string[]) =>
      gcloud(fake.endpoint, project, 'compute', 'instances', ...args);
    const place = ['--zone', zoneF];
    await run(
      ...['create', 'theirs', ...place, '--machine-type', 'n1-standard-1', '--no-service-account'],
      ...['--no-scopes', '--image-project', 'debian-cloud', '--image', 'debian-12'],
    );
    fake.api.plan.machine = () => 'here';
    const backend = new GceBackend(
      {
        ...{ kind: 'gce', name: 'vms', project, zones: [zoneF], endpoint: fake.endpoint },
        ...{ port: vmPort, externalIp: true, apiRate: 100, user: 'me', auth: bearer() },
        ...{ idleTimeoutMs: 1_800_000, maxLifetimeMs: 86_400_000, environment: {} },
      },
      undefined,
    );
    const builder = { name: 'linux', hostType: 'host-linux', env: [] };
    const { name } = await backend.create(builder, { user: 'me', host: hostType(), signal });
    expect(await run('list')).toMatchObject([{ name: 'theirs' }, { name }]);
    expect(await run('list', '--filter', 'labels.gomote=buildlet')).toMatchObject([
      { name, status: 'RUNNING' },
    ]);
    expect(await run('describe', name, ...place)).toMatchObject({
      name,
      labels: { gomote: 'buildlet', gomote_owner: 'me' },
      scheduling: { instanceTerminationAction: 'DELETE' },
    });
    await run('delete', name, ...place);
    await run('delete', 'theirs', ...place);
    expect(fake.api.instances).toEqual([]);
    expect(await backend.list({ signal })).toEqual([]);
  });

  it('refuses misspelt keys, bad enums, wrong types and unknown parameters', async () => {
    const exchange = (body: object, params = {}) => ({
      ...{
        verb: 'instances.insert',
        zone: '',
        name: '',
        authorization: undefined,
        atMs: 0,
        status: 200,
      },
      params: { project, zone: zoneF, ...params },
      ...{ body, answer: { kind: 'compute#operation', nope: 1 } },
    });
    const problems = await schemaProblems([
      exchange(
        { name: 'x', machinetype: 'y', scheduling: { provisioningModel: 'SPOTTY' } },
        { requestID: '1' },
      ),
      exchange({ name: 5 }),
    ]);
    expect(problems).toEqual([
      'instances.insert answer.nope',
      'instances.insert request.machinetype',
      'instances.insert request.scheduling.provisioningModel',
      expect.stringMatching(/^instances.insert request: Instance: .*name/),
      'instances.insert?requestID',
    ]);
  });
});
