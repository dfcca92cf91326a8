// The configuration, the state directory and the command line of the coordinator: what is wrong is said by name.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { readCommand } from '../../src/coordinator/options.ts';
import { SessionBook } from '../../src/coordinator/state/session-book.ts';
import { prepareStateDirectory, stateFormat } from '../../src/coordinator/state/state-directory.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const pool = '[pools.p]\nkind = "local"\nhost = "host-local"\nmaximum = 2\n';
const state = 'state-directory = "state"\n';

const bad: Record<string, [string, string[]]> = {
  'no state directory': [pool, ['state-directory']],
  'no pool': [`${state}[pools]\n`, ['pools', 'there is no pool']],
  'a key that is not known': [`${state}port = 1\n${pool}`, ['unknown key port']],
  'a bad address': [`listen = "nowhere"\n${state}${pool}`, ['listen', '"nowhere"']],
  'a bad duration': [`${state}drain-timeout = "soon"\n${pool}`, ['drain-timeout', '"soon"']],
  'TLS of no kind': [`${state}tls = "maybe"\n${pool}`, ['tls', 'self-signed']],
  'a limit of nothing': [`${state}limits = { per-user = 0 }\n${pool}`, ['limits.per-user', '1']],
  'a pool of no kind': [
    `${state}[pools.p]\nkind = "magic"\nhost = "host-local"\n`,
    ['pools.p.kind', 'static'],
  ],
  'a pool of an unknown host': [
    `${state}${pool.replace('host-local', 'nope')}`,
    ['pools.p.host', '"nope"', 'host-local'],
  ],
  'one machine in two pools': [
    `${state}${['p', 'q'].map((name) => `[pools.${name}]\nkind = "static"\nhost = "host-local"\nmachines = [{ address = "10.0.0.1:5936" }]\n`).join('')}`,
    ['pools.q.machines', '10.0.0.1:5936', 'pools.p'],
  ],
  'labels that are none': [
    `${state}${pool}labels = { "a/b" = "c" }\n`,
    ['pools.p.labels', 'a/b=c', '1 to 63 letters'],
  ],
  'a label that is no text': [`${state}${pool}labels = { cores = 8 }\n`, ['pools.p.labels.cores']],
  'a minimum above the maximum': [
    `${state}${pool}minimum = 9\n`,
    ['pools.p.minimum', '9', 'maximum is'],
  ],
  'a priority that is none': [
    `${state}${pool}[limits]\npriority = "urgent"\n`,
    ['limits.priority', 'urgent'],
  ],
  'a builder that no pool serves': [
    `${state}[hosts.h]\n[builders.b]\nhost = "h"\n${pool}`,
    ['builders.b.host', 'no pool'],
  ],
  'a backend that is not there': [
    `${state}[pools.p]\nkind = "backend"\nhost = "host-local"\nmaximum = 1\nbackend = "x"\n`,
    ['pools.p.backend', '"x"'],
  ],
  'machines that are none': [
    `${state}[pools.p]\nkind = "static"\nhost = "host-local"\nmachines = []\n`,
    ['pools.p.machines', 'at least one'],
  ],
};

describe('the configuration', () => {
  it.each(Object.keys(bad))('with %s is refused', (what) => {
    const [toml, says] = bad[what]!;
    const path = join(temporaryDirectory(), 'c.toml');
    writeFileSync(path, toml);
    let said = '';
    try {
      loadCoordinatorConfig(path);
    } catch (error) {
      said = String(error);
    }
    for (const words of [path, ...says]) expect(said).toContain(words);
  });

  it('of the documentation is valid, and has every key', () => {
    const path = join(projectRoot, 'docs/coordinator.toml');
    expect(loadCoordinatorConfig(path).pools.map(({ kind }) => kind)).toEqual([
      'local',
      'static',
      'reverse',
      'backend',
    ]);
    const source = readFileSync(join(projectRoot, 'src/coordinator/config.ts'), 'utf8');
    const keys = [...source.matchAll(/^\s+'?([a-z-]+)'?: v\.optional\(/gm)].map(
      (match) => match[1],
    );
    const text = readFileSync(path, 'utf8');
    expect(keys.filter((key) => !text.includes(`${key}`))).toEqual([]);
  });
});

describe('the state directory', () => {
  it('is brought to its format, and refused when it is newer or open to others', async () => {
    const path = join(temporaryDirectory(), 'state');
    await prepareStateDirectory(path);
    const format = join(path, 'format.json');
    expect(JSON.parse(readFileSync(format, 'utf8'))).toEqual({ format: stateFormat });
    writeFileSync(format, JSON.stringify({ format: stateFormat + 1 }));
    await expect(prepareStateDirectory(path)).rejects.toThrow(`has format ${stateFormat + 1}`);
    writeFileSync(format, 'no JSON');
    await expect(prepareStateDirectory(path)).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    writeFileSync(format, JSON.stringify({ format: stateFormat }));
    chmodSync(path, 0o755);
    await expect(prepareStateDirectory(path)).rejects.toThrow('open to others');
  });

  it('keeps the sessions that can be read, and reports those that cannot', async () => {
    const directory = join(temporaryDirectory(), 'sessions');
    mkdirSync(directory);
    const book = await SessionBook.open(directory, () => undefined);
    const session = {
      name: 'user-a-linux-0',
      owner: 'a',
      builderType: 'linux',
      hostType: 'h',
      state: 'running' as const,
      createdMs: 1,
      expiresMs: 2,
      machine: 'm',
      isClaimed: true,
    };
    await Promise.all([book.save(session), book.save({ ...session, expiresMs: 3 })]);
    writeFileSync(join(directory, 'user-b-linux-0.json'), JSON.stringify(session));
    writeFileSync(join(directory, 'torn.json'), '{"name":');
    writeFileSync(join(directory, 'user-a-linux-0.json.partial'), '{');
    const troubles: string[] = [];
    const read = await SessionBook.open(directory, (what) => troubles.push(what));
    expect(read.all()).toEqual([{ ...session, expiresMs: 3 }]);
    expect(troubles.map((what) => what.split('/').at(-1)).sort()).toEqual([
      'torn.json is no session',
      'user-b-linux-0.json is no session',
    ]);
    await read.remove(session.name);
    expect((await SessionBook.open(directory, () => undefined)).size).toBe(0);
  });
});

describe('the command line', () => {
  it.each([
    ['serve', { kind: 'serve', config: 'coordinator.toml' }],
    ['check -config x.toml', { kind: 'check', config: 'x.toml' }],
    ['user list', { kind: 'user-list', config: 'coordinator.toml' }],
    [
      'user add --admin --maximum 3 gopher',
      {
        kind: 'user-add',
        config: 'coordinator.toml',
        name: 'gopher',
        changes: { role: 'admin', maximum: 3 },
      },
    ],
    [
      'user rotate gopher --overlap 24h',
      {
        ...{ kind: 'user-rotate', config: 'coordinator.toml', name: 'gopher' },
        ...{ overlapMs: 86_400_000, changes: {} },
      },
    ],
    [
      'user set gopher --role metrics --maximum none --expires never',
      {
        ...{ kind: 'user-set', config: 'coordinator.toml', name: 'gopher' },
        changes: { role: 'metrics', maximum: null, expires: null },
      },
    ],
    ['user remove a', { kind: 'user-remove', config: 'coordinator.toml', name: 'a' }],
    [
      'user remove a --end',
      { kind: 'user-remove', config: 'coordinator.toml', name: 'a', buildlets: 'end' },
    ],
    ['machine list --json', { kind: 'machine-list', config: 'coordinator.toml', isJson: true }],
    [
      'machine drain 10.0.0.7:443 --note disk',
      { kind: 'machine-drain', config: 'coordinator.toml', name: '10.0.0.7:443', note: 'disk' },
    ],
    ['machine undrain m', { kind: 'machine-undrain', config: 'coordinator.toml', name: 'm' }],
    ['--version', { kind: 'version' }],
  ])('reads %s', (words, expected) => {
    expect(readCommand(words.split(' '))).toEqual(expected);
  });

  it.each([
    '',
    'fly',
    'serve now',
    'user',
    'user add',
    'user add a b',
    'user list --admin',
    'user add a --maximum 0',
    '--nope',
    'user set a',
    'user add a --role boss',
    'user add a --admin --role metrics',
    'user add a --expires yesterday',
    'user add a --expires 2020-01-01',
    'user rotate a --overlap x',
    'user remove a --end --keep',
    'user remove a --note x',
    'machine',
    'machine drain',
    'machine list m',
    'machine drian m',
  ])('refuses "%s"', (words) => {
    expect(() => readCommand(words.split(' ').filter(Boolean))).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE', hint: 'see coordinator --help' }),
    );
  });

  it('in the manifests for a cluster is valid', () => {
    const manifests = readFileSync('docs/kubernetes/coordinator.yaml', 'utf8');
    const block = /coordinator\.toml: \|\n((?: {4}.*\n|\n)+)/.exec(manifests)?.[1] ?? '';
    const path = join(temporaryDirectory(), 'coordinator.toml');
    writeFileSync(path, block.replaceAll(/^ {4}/gm, ''));
    expect(loadCoordinatorConfig(path)).toMatchObject({
      usersFile: '/etc/gomote-users/users.json',
      auditTo: 'log',
      pools: [{ kind: 'backend' }],
    });
    expect(manifests).toContain('mountPath: /etc/gomote-users');
  });
});

/** Loads a configuration with a pool of that backend and host type. */
function poolWithCaches(backend: string, host: string) {
  const path = join(temporaryDirectory(), 'coordinator.toml');
  writeFileSync(
    path,
    `state-directory = "state"
    listen = "127.0.0.1:0"
    users-file = "users.json"
    [backends.machines]
    ${backend}
    [hosts.h]
    ${host}
    [builders.b]
    host = "h"
    [pools.p]
    kind = "backend"
    backend = "machines"
    host = "h"
    maximum = 1`,
  );
  return () => loadCoordinatorConfig(path);
}

it.each([
  ['size = "20g"', 'mode = "exclusive"', undefined],
  ['size = "20g"', 'mode = "exclusive", shared = true', undefined],
  ['size = "20g"', 'mode = "shared"', /pools\.p\.host.*its cache "c" needs mode = "exclusive"/],
  ['', 'mode = "exclusive"', /pools\.p\.host.*a pool of kind gce cannot keep/],
])(
  'a pool of virtual machines with caches { %s } and a cache with %s is checked',
  (disks, mode, said) => {
    const load = poolWithCaches(
      `kind = "gce"
      project = "my-project"
      zones = ["us-central1-f"]
      ${disks && `caches = { ${disks} }`}`,
      `caches = [{ name = "c", path = "x", ${mode} }]
      gce = { image = "x", machine-type = "m" }`,
    );
    if (said === undefined) expect(load().pools).toHaveLength(1);
    else expect(load).toThrow(said);
  },
);

describe('a pool of pods whose host type has caches', () => {
  const withVolumes = (volumes: string) =>
    poolWithCaches(
      `kind = "kubernetes"
      ${volumes}`,
      `caches = [{ name = "c", path = "x" }]
      kubernetes = { image = "x" }`,
    );

  it.each([
    ['{ size = "1Gi" }', { size: '1Gi', access: 'ReadWriteOnce' }],
    [
      '{ size = "1Gi", class = "fast", access = "ReadWriteMany" }',
      { size: '1Gi', class: 'fast', access: 'ReadWriteMany' },
    ],
  ])('has volumes for them: %s', (volumes, caches) => {
    const [pool] = withVolumes(`caches = ${volumes}`)().pools;
    expect(pool).toMatchObject({ backend: { caches } });
  });

  it.each([
    ['', /pools\.p\.host.*a pool of kind kubernetes cannot keep/],
    ['caches = {}', /backends\.machines\.caches\.size/],
    ['caches = { size = "1 GB" }', /a quantity is such as/],
    ['caches = { size = "1Gi", access = "ReadOnlyMany" }', /access is "ReadWriteOnce" or/],
  ])('is refused without them: "%s"', (volumes, said) => {
    expect(withVolumes(volumes)).toThrow(said);
  });
});
