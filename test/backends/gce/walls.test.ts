// What commands can do on a machine that runs the service of docs/compute-engine.md: its cells of the table in docs/SECURITY.md.
import { randomBytes } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startNewVM } from '../../../src/backends/gce/start-vm.ts';
import { destroyVM } from '../../../src/backends/gce/vms.ts';
import { newKeyPair } from '../../../src/client/key-pair.ts';
import { hasBubblewrap } from '../../helpers/bubblewrap.ts';
import { Collector } from '../../helpers/collect.ts';
import {
  bearer,
  fakeCompute,
  hostType,
  project,
  vmPort,
  zoneA,
} from '../../helpers/compute/fixture.ts';
import { processesWith, until } from '../../helpers/processes.ts';

async function machine() {
  const fake = await fakeCompute();
  fake.api.plan.machine = () => 'apart';
  const tls = await newKeyPair();
  const place = { zone: zoneA, projectId: project, endpoint: fake.endpoint };
  const client = await startNewVM(bearer(), 'vm-1', hostType(), { ...place, port: vmPort, tls });
  onTestFinished(() => client.disconnect());
  const shell = async (script: string) => {
    const output = new Collector();
    await client.exec('/bin/sh', { systemLevel: true, output, args: ['-c', script] });
    return output.text;
  };
  return { fake, client, shell, tls };
}

describe.skipIf(!hasBubblewrap)('a command on a virtual machine', () => {
  it('reads and writes the machine, as its root', async () => {
    const { shell } = await machine();
    expect(await shell('id -u; pwd; umask 077; echo mine >/own && cat /own')).toBe(
      '0\n/workdir\nmine\n',
    );
  });

  it('reaches the metadata server, which tells the password, and the network', async () => {
    const { shell, tls } = await machine();
    // Where it is known by its name, no variable is needed.
    const host =
      "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | sed -n s/GCE_METADATA_HOST=//p | head -n 1";
    const path = 'computeMetadata/v1/instance/attributes/?recursive=true';
    const ask = `node -e "fetch(process.argv[1], { headers: { 'Metadata-Flavor': 'Google' } }).then((r) => r.text()).then(console.log)"`;
    const said = await shell(`${ask} "http://$(${host})/${path}"`);
    expect(JSON.parse(said)).toMatchObject({ password: tls.password() });
  });

  it('has no account of the project, and no disk but its own', async () => {
    const { fake } = await machine();
    const [{ body } = {}] = fake.exchanges.filter(({ verb }) => verb === 'instances.insert');
    expect(body).not.toHaveProperty('serviceAccounts');
    expect(body).toMatchObject({ disks: [{ boot: true, autoDelete: true }] });
  });

  it('leaves nothing: the machine goes with its processes and its disk', async () => {
    const { fake, shell } = await machine();
    const mark = randomBytes(8).toString('hex');
    const loop = `sh -c 'trap "" TERM HUP; while :; do sleep 1; done' ${mark}`;
    await shell(`setsid env -i ${loop} </dev/null >/dev/null 2>&1 &`);
    await until(() => processesWith(mark).length > 0);
    await destroyVM(bearer(), project, zoneA, 'vm-1', { endpoint: fake.endpoint });
    await until(() => fake.api.instances.length === 0 && processesWith(mark).length === 0);
  });
});
