// What gomote adds on Kubernetes: KUBECONFIG=… GOMOTE_TEST_IMAGE=… node bench/kubernetes.js [RUNS] [TOGETHER]
//
// The pods' addresses must be reachable from here. RUNS creations and runs one by one, then TOGETHER creations in one
// command, then as many against a quota that has room for one less.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoreV1Api, KubeConfig, Watch } from '@kubernetes/client-node';
import { compare, gomote, median, report } from './paired.js';

const runs = Number(process.argv[2] ?? 15);
const together = Number(process.argv[3] ?? 0);
const kubeConfig = new KubeConfig();
kubeConfig.loadFromDefault();
const core = kubeConfig.makeApiClient(CoreV1Api);
const namespace = `gomote-bench-${process.pid}`;
const directory = mkdtempSync(join(tmpdir(), 'gomote-bench-'));
Object.assign(process.env, { HOME: directory, XDG_CONFIG_HOME: directory, USER: 'me' });
mkdirSync(join(directory, 'gomote'));
writeFileSync(
  join(directory, 'gomote', 'config.toml'),
  `
default = "k8s"
[backends.k8s]
kind = "kubernetes"
namespace = "${namespace}"
reach = "direct"
[hosts.host-pod.kubernetes]
image = "${process.env.GOMOTE_TEST_IMAGE}"
image-pull-policy = "IfNotPresent"
cpu = "1m"
cpu-limit = "2"
memory = "16Mi"
[[hosts.host-pod.kubernetes.template.spec.containers]]
name = "buildlet"
resources = { limits = { memory = "512Mi" } }
# The same buildlet once more, over plain HTTP.
[[hosts.host-twice.kubernetes.template.spec.containers]]
name = "plain"
image = "${process.env.GOMOTE_TEST_IMAGE}"
args = ["--listen", "0.0.0.0:5937"]
env = [{ name = "META_PASSWORD", value = "password" }]
[hosts.host-twice.kubernetes]
image = "${process.env.GOMOTE_TEST_IMAGE}"
cpu = "1m"
cpu-limit = "2"
memory = "512Mi"
[builders.twice]
host = "host-twice"
[builders.linux]
host = "host-pod"
`,
);
writeFileSync(join(directory, 'password'), 'password', { mode: 0o600 });

/** One command to its end; when that was, in ms, and what it said. */
async function run(...args) {
  const child = spawn(process.execPath, [gomote, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code] = await once(child, 'close');
  return { atMs: performance.now(), code, stdout: stdout.trim(), stderr };
}

/** When a pod made from here on runs and answers, as another client of the cluster sees it, in ms. */
async function nextReady() {
  const { metadata } = await core.listNamespacedPod({ namespace });
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const { resourceVersion } = metadata;
  let controller;
  const ip = await new Promise((resolve, reject) => {
    const onEvent = (type, { status }) => {
      if (type === 'MODIFIED' && status.phase === 'Running' && status.podIP) resolve(status.podIP);
    };
    controller = new Watch(kubeConfig).watch(path, { resourceVersion }, onEvent, reject);
  });
  (await controller).abort();
  while (!(await answers(ip))) await sleep(1);
  return performance.now();
}

const answers = (ip) =>
  new Promise((resolve) => {
    const request = get(
      { host: ip, port: 5936, rejectUnauthorized: false, agent: false },
      (reply) => {
        reply.resume().once('end', () => resolve(true));
      },
    );
    request.once('error', () => resolve(false));
  });

async function createdAlone() {
  const overMs = [];
  for (let n = -1; n < runs; n++) {
    const ready = nextReady();
    const { atMs, code, stdout, stderr } = await run('create', 'linux');
    if (code !== 0) throw new Error(stderr);
    if (n >= 0) overMs.push(atMs - (await ready));
    await run('destroy', stdout);
  }
  return median(overMs);
}

async function createdTogether() {
  const startMs = performance.now();
  const all = await run('create', '--count', String(together), 'linux');
  if (all.code !== 0) throw new Error(all.stderr);
  const names = new Set(all.stdout.split('\n')).size;
  console.log(
    `create --count ${together}: ${names} names in ${((all.atMs - startMs) / 1e3).toFixed(1)} s`,
  );
  await run('destroy', '--all');
  while ((await core.listNamespacedPod({ namespace })).items.length > 0) await sleep(500);
  const body = { metadata: { name: 'room' }, spec: { hard: { pods: String(together - 1) } } };
  await core.createNamespacedResourceQuota({ namespace, body });
  await sleep(2_000);
  const beganMs = performance.now();
  const none = await run('create', '--count', String(together), 'linux');
  const { stdout } = await run('list');
  console.log(
    `the same with room for ${together - 1}: exit status ${none.code}, ${stdout === '' ? 'none' : stdout} left,`,
    `${((none.atMs - beganMs) / 1e3).toFixed(1)} s: ${none.stderr.slice(0, 120)}`,
  );
}

await core.createNamespace({ body: { metadata: { name: namespace } } });
try {
  await sleep(1_000);
  if (together > 0) {
    await createdTogether();
  } else {
    const overMs = await createdAlone();
    console.log(`create, over the moment the pod runs and answers: ${overMs.toFixed(1)} ms`);
    const { stdout: name } = await run('create', 'twice');
    const { status } = await core.readNamespacedPod({ namespace, name });
    const plain = `any@${status.podIP}:5937`;
    const program = [process.execPath, gomote, 'run'];
    const times = compare(
      {
        direct: [...program, '--password-file', join(directory, 'password'), plain, 'true'],
        run: [...program, name, 'true'],
      },
      runs,
    );
    report('kubernetes', [
      { what: 'gomote run any@POD, plain HTTP', ms: times.direct, reference: times.direct },
      { what: 'gomote run NAME', ms: times.run, reference: times.direct },
    ]);
    console.log(`run, over direct HTTP: ${(times.run - times.direct).toFixed(1)} ms`);
    spawnSync(process.execPath, [gomote, 'destroy', name]);
  }
} finally {
  await core.deleteNamespace({ name: namespace });
  rmSync(directory, { recursive: true, force: true });
}
