// Containers beside the docker command: DOCKER_HOST=… node bench/docker.js IMAGE [RUNS] [TREE]
//
// IMAGE has sh and echo (test/docker/image makes one). With TREE, a directory, its push beside docker cp as well, and that to a
// second container, whose engine has the contents, beside rsync -a.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compare, gomote, median, report } from './paired.js';

const [image, runs = '15', tree] = process.argv.slice(2);
// Compiled code is not kept where others can write.
const directory = mkdtempSync(join(homedir(), '.gomote-bench-'));
Object.assign(process.env, { HOME: directory, USER: 'bench', XDG_RUNTIME_DIR: directory });
for (const name of ['CONFIG', 'STATE', 'CACHE']) process.env[`XDG_${name}_HOME`] = directory;

// Node 20 reads these certificates at each start, for 40 ms; docker's client does not.
delete process.env.NODE_EXTRA_CA_CERTS;

mkdirSync(join(directory, 'gomote'), { mode: 0o700 });
// Pushes are measured without a store, unless it is meant.
const settings = `
[backends.docker]
kind = "docker"
store-size = 0
[backends.store]
kind = "docker"
network = "none"
`;
writeFileSync(join(directory, 'gomote', 'config.toml'), settings, { mode: 0o600 });

/** The time from the creation of a container to the push, where the tree is made ahead. */
const aheadMs = 3_000;

const said = (...args) => execFileSync(gomote, args, { encoding: 'utf8' }).trim();
const createContainer = ['create', `docker:${image}`, '--network', 'none'];
const onceContainer = ['once', `docker:${image}`, '--network', 'none', '--no-push', '--'];

/** Ms until the program's first output; it is then waited for. */
async function firstOutput(argv, onOutput = () => undefined) {
  const start = process.hrtime.bigint();
  const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  let ms;
  child.stdout.on('data', (chunk) => {
    ms ??= Number(process.hrtime.bigint() - start) / 1e6;
    onOutput(String(chunk));
  });
  await new Promise((resolve) => child.once('close', resolve));
  if (ms === undefined) throw new Error(`${argv.join(' ')} said nothing`);
  return ms;
}

/** A name and a first output, by two commands as people give them. */
async function createAndRun() {
  let name = '';
  const script = `n=$(${gomote} ${createContainer.join(' ')}) && echo "$n" >&3 && exec ${gomote} run "$n" /bin/echo`;
  const start = process.hrtime.bigint();
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
  let ms;
  child.stdout.on('data', () => {
    ms ??= Number(process.hrtime.bigint() - start) / 1e6;
  });
  child.stdio[3].on('data', (chunk) => {
    name += chunk;
  });
  await new Promise((resolve) => child.once('close', resolve));
  said('destroy', name.trim());
  return ms;
}

const rows = [];
try {
  const times = { docker: [], gomote: [], once: [] };
  for (let run = -2; run < Number(runs); run++) {
    const docker = await firstOutput([
      'docker',
      'run',
      '--rm',
      '--network',
      'none',
      image,
      '/bin/sh',
      '-c',
      'echo',
    ]);
    const own = await createAndRun();
    const once = await firstOutput([gomote, ...onceContainer, '/bin/echo']);
    if (run >= 0) times.docker.push(docker) && times.gomote.push(own) && times.once.push(once);
  }
  const reference = median(times.docker);
  rows.push({ what: 'docker run --rm: its first output', ms: reference, reference });
  rows.push({
    what: 'create, run: the first output',
    ms: median(times.gomote),
    reference,
    limit: 1.5,
  });

  rows.push({ what: 'once: the first output', ms: median(times.once), reference });

  const container = said(...createContainer);
  const local = said('create', 'local');
  const echo = ['/bin/sh', '-c', ':'];
  const { near, far, exec } = compare(
    {
      near: [gomote, 'run', local, ...echo],
      far: [gomote, 'run', container, ...echo],
      exec: ['docker', 'exec', basename(container), ...echo],
    },
    Number(runs),
  );
  rows.push({ what: 'run, local', ms: near, reference: near });
  rows.push({ what: 'run, in a container', ms: far, reference: near, limit: (near + 40) / near });
  rows.push({ what: 'docker exec', ms: exec, reference: near });

  if (tree !== undefined) {
    const target = `${basename(container)}:/opt/gomote/run/copy`;
    const copies = { docker: [], gomote: [] };
    const timed = (argv) => {
      const start = process.hrtime.bigint();
      const { status, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
      return Number(process.hrtime.bigint() - start) / 1e6;
    };
    for (let run = -1; run < Number(runs); run++) {
      said('run', container, '/bin/rm', '-rf', '/opt/gomote/run/copy');
      said('rm', container, '.');
      const docker = timed(['docker', 'cp', '-q', tree, target]);
      const own = timed([gomote, 'push', container, tree, '--dest', 'tree', '--no-ignore']);
      if (run >= 0) copies.docker.push(docker) && copies.gomote.push(own);
    }
    const cp = median(copies.docker);
    rows.push({ what: 'docker cp of the tree', ms: cp, reference: cp });
    rows.push({
      what: 'push of the tree, first time',
      ms: median(copies.gomote),
      reference: cp,
      limit: 1,
    });
    const copy = join(directory, 'copy');
    const times = { rsync: [], ahead: [], sent: [] };
    for (let run = -1; run < Number(runs); run++) {
      rmSync(copy, { recursive: true, force: true });
      const rsync = timed(['rsync', '-a', `${tree}/`, `${copy}/`]);
      const second = async (isAhead) => {
        const name = said('create', '--backend', 'store', `docker:${image}`);
        if (isAhead) await sleep(aheadMs);
        else said('run', name, '/bin/sh', '-c', ':');
        const ms = timed([gomote, 'push', name, tree, '--dest', 'tree', '--no-ignore']);
        said('destroy', name);
        return ms;
      };
      const [ahead, sent] = [await second(true), await second(false)];
      if (run >= 0) times.rsync.push(rsync) && times.ahead.push(ahead) && times.sent.push(sent);
    }
    const reference = median(times.rsync);
    rows.push({ what: 'rsync -a of the tree', ms: reference, reference });
    rows.push({ what: 'push, made ahead', ms: median(times.ahead), reference, limit: 0.8 });
    rows.push({
      what: 'push, right after a command',
      ms: median(times.sent),
      reference,
      limit: 0.8,
    });
  }
} finally {
  for (const backend of ['docker', 'store']) {
    spawnSync(gomote, ['destroy', '--all', '--backend', backend]);
  }
  spawnSync(gomote, ['destroy', '--all']);
  rmSync(directory, { recursive: true, force: true });
}
report('docker', rows);
