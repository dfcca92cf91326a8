// Virtual machines beside gcloud, both on the fake Compute API, and many at once: node bench/gce.js [RUNS] [MACHINES]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compare, gomote, report } from './paired.js';

const runs = Number(process.argv[2] ?? 7);
const machines = Number(process.argv[3] ?? 100);
const callsPerSecond = 20;

const directory = mkdtempSync(join(tmpdir(), 'gomote-bench-'));
const fake = spawn(process.execPath, [new URL('gce-fake.js', import.meta.url).pathname], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const lines = createInterface({ input: fake.stdout });
const { endpoint, host } = JSON.parse((await once(lines, 'line'))[0]);

mkdirSync(join(directory, 'gcloud'));
writeFileSync(
  join(directory, 'config.toml'),
  `default = "vms"
   [backends.vms]
   kind = "gce"
   project = "test-project"
   zones = ["us-central1-f"]
   endpoint = "${endpoint}"
   port = 8443
   api-rate = ${callsPerSecond}
   [hosts.vm.gce]
   image = "linux-buildlet"
   machine-type = "n1-standard-1"
   [builders.linux]
   host = "vm"
  `,
);
Object.assign(process.env, {
  GOMOTE_CONFIG_DIR: directory,
  GOMOTE_USER: 'me',
  GCE_METADATA_HOST: host,
  METADATA_SERVER_DETECTION: 'assume-present',
  CLOUDSDK_CONFIG: join(directory, 'gcloud'),
  CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${endpoint}compute/v1/`,
  CLOUDSDK_AUTH_DISABLE_CREDENTIALS: 'true',
  CLOUDSDK_CORE_PROJECT: 'test-project',
  CLOUDSDK_CORE_CHECK_GCE_METADATA: 'false',
  CLOUDSDK_CORE_DISABLE_USAGE_REPORTING: 'true',
  CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK: 'true',
  CLOUDSDK_CORE_DISABLE_PROMPTS: '1',
});
const instances = 'gcloud compute instances';
const zone = '--zone us-central1-f';
const cli = `${process.execPath} ${gomote}`;

async function countCalls() {
  fake.stdin.write('?');
  return Number((await once(lines, 'line'))[0]);
}

try {
  const times = compare(
    {
      gcloudList: ['sh', '-c', `${instances} list`],
      gomoteList: ['sh', '-c', `${cli} list`],
      gcloudCreate: [
        'sh',
        '-c',
        `${instances} create theirs ${zone} --no-service-account --no-scopes --image-project debian-cloud --image debian-12 && ${instances} delete theirs ${zone}`,
      ],
      gomoteCreate: ['sh', '-c', `${cli} destroy $(${cli} create linux)`],
    },
    runs,
  );
  report('virtual machines on the fake API', [
    { what: 'gcloud compute instances list', ms: times.gcloudList, reference: times.gcloudList },
    { what: 'gomote list', ms: times.gomoteList, reference: times.gcloudList },
    {
      what: 'gcloud compute instances create, delete',
      ms: times.gcloudCreate,
      reference: times.gcloudCreate,
    },
    {
      what: 'gomote create (until its buildlet answers), destroy',
      ms: times.gomoteCreate,
      reference: times.gcloudCreate,
    },
  ]);
  const before = await countCalls();
  const start = process.hrtime.bigint();
  const creating = spawn('sh', ['-c', `${cli} create --count ${machines} linux > /dev/null`]);
  const [status] = await once(creating, 'close');
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  if (status !== 0) throw new Error(`create --count ${machines}: ${status}`);
  const calls = (await countCalls()) - before;
  // The first second's calls go out at once.
  const least = ((calls - callsPerSecond) / callsPerSecond) * 1_000;
  report(`${machines} at once: ${calls} calls, at most ${callsPerSecond} a second`, [
    { what: 'what the rate asks for', ms: least, reference: least },
    { what: `gomote create --count ${machines}`, ms, reference: least },
  ]);
} finally {
  fake.stdin.end();
  await once(fake, 'close');
  rmSync(directory, { recursive: true, force: true });
}
