import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { docker, images, newLab, storesOf } from './lab.ts';

const types = `
[hosts.box]
image = "${images.shell}"
[hosts.bare.docker]
image = "${images.bare}"
[builders.box]
host = "box"
env = ["FROM_BUILDER=1"]
[builders.bare]
host = "bare"
`;

describe('a buildlet in a container', () => {
  it('runs commands, transfers files, and is gone after a destroy', async () => {
    const { cli, gomote, create, containers, user } = newLab(types);
    const name = await create('box');
    expect(name).toMatch(new RegExp(`^${user}-box-[a-z0-9]{5}$`));
    expect(await gomote(['run', name, 'sh', '-c', 'echo out; echo err >&2; exit 3'])).toEqual({
      code: 3,
      stdout: 'out\n',
      stderr: expect.stringContaining('err\n'),
    });
    const tree = join(cli.directory, 'tree');
    mkdirSync(join(tree, 'below'), { recursive: true });
    writeFileSync(join(tree, 'below', 'file'), 'content');
    expect((await gomote(['push', name, tree])).code).toBe(0);
    expect(await gomote(['run', name, 'cat', 'tree/below/file'])).toMatchObject({
      stdout: 'content',
    });
    await gomote(['run', name, 'sh', '-c', 'echo made >tree/made']);
    expect((await gomote(['pull', name, 'tree', tree])).code).toBe(0);
    expect(readFileSync(join(tree, 'made'), 'utf8')).toBe('made\n');
    writeFileSync(join(cli.directory, 'one'), 'x'.repeat(3_000_000));
    expect((await gomote(['put', name, join(cli.directory, 'one'), 'one'])).code).toBe(0);
    const back = await gomote(['get', name, 'one', '-']);
    expect(back.bytes.length).toBe(3_000_000);
    const [container] = containers();
    expect((await gomote(['destroy', name])).code).toBe(0);
    expect(containers()).toEqual([]);
    const volumes = docker('volume', 'ls', '-q').split('\n');
    const own = container.Mounts.filter(
      ({ RW, Name }: { RW: boolean; Name: string }) => RW && !storesOf(user).includes(Name),
    );
    expect(own).toHaveLength(1);
    expect(volumes).not.toContain(own[0].Name);
  });

  it('gives commands the environment of the image, of the builder type, and nothing of this machine', async () => {
    const { gomote, create } = newLab(types);
    const name = await create('box');
    const { stdout } = await gomote(['run', name, 'env'], { environment: { LEAK: 'secret' } });
    expect(stdout).toContain('KEPT=from-the-image\n');
    expect(stdout).toContain('FROM_BUILDER=1\n');
    expect(stdout).toContain('PATH=/bin\n');
    expect(stdout).not.toContain('LEAK');
  });

  it('runs the one program of an image without a shell', async () => {
    const { gomote, create } = newLab(types);
    const name = await create('bare');
    expect(await gomote(['run', name, 'cat', '/etc/passwd'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('worker'),
    });
    expect(await gomote(['run', name, 'sh', '-c', 'true'])).toMatchObject({ code: 127 });
    expect((await gomote(['shell', name])).stderr).toContain('sh');
  });

  it('is made from any image without configuration', async () => {
    const { gomote, create } = newLab('', '');
    const name = await create(`docker:${images.shell}`, '--network', 'none');
    expect(name).toMatch(/^docker\/t[0-9a-f]{8}-docker_shell-[a-z0-9]{5}$/);
    expect(await gomote(['run', name, 'sh', '-c', 'echo hi'])).toMatchObject({ stdout: 'hi\n' });
    expect((await gomote(['list', '--backend', 'docker'])).stdout).toContain(name);
    expect((await gomote(['destroy', name])).code).toBe(0);
  });

  it('is reached by its socket if its volume is open to this user, else by a process in it', async () => {
    const { gomote, create, containers, cli } = newLab(types);
    const name = await create('box');
    const say = ['sh', '-c', 'cat; echo out'];
    const run = async () => {
      const { stdout, stderr } = await gomote(['--verbose', 'run', name, ...say], {
        stdin: ['in\n'],
      });
      expect(stdout).toBe('in\nout\n');
      return /POST \S*\/exec/.test(stderr) ? 'process' : 'socket';
    };
    const [container] = containers();
    const own = container.Mounts.find(
      ({ Destination }: { Destination: string }) => Destination === '/opt/gomote/run',
    );
    const isNear =
      (process.env.DOCKER_HOST ?? '').startsWith('unix://') &&
      existsSync(join(own.Source, 'socket'));
    expect(await run()).toBe(isNear ? 'socket' : 'process');
    // A command puts a link to a socket of this machine in its place.
    const other = join(cli.directory, 'other');
    let connections = 0;
    const server = createServer((client) => {
      connections++;
      client.destroy();
    });
    await new Promise<void>((resolve) => server.listen(other, resolve));
    onTestFinished(() => void server.close());
    const hidden = '/opt/gomote/run/hidden';
    const swap = `mv /opt/gomote/run/socket ${hidden}; ln -s ${other} /opt/gomote/run/socket`;
    await gomote(['run', name, 'sh', '-c', swap]);
    expect((await gomote(['list'])).stdout).toContain('does not answer');
    expect(connections).toBe(0);
    docker('exec', name, '/bin/mv', hidden, '/opt/gomote/run/socket');
    expect(await run()).toBe(isNear ? 'socket' : 'process');
  });

  it('ends by itself when it is idle, and its container is removed', async () => {
    const section = `
default = "d"
[backends.d]
kind = "docker"
network = "none"
idle-timeout = "1s"
`;
    const { create, containers, gomote } = newLab(types, section);
    const name = await create('box');
    await expect.poll(() => containers()).toEqual([]);
    expect((await gomote(['run', name, 'true'])).stderr).toContain(`no buildlet "${name}"`);
  });

  it('runs commands on a terminal', async () => {
    const { gomote, create } = newLab(types);
    const name = await create('box');
    const run = await gomote(['run', '-t', name, 'sh', '-c', '[ -t 1 ] && echo terminal'], {
      isTerminal: true,
      stdin: [],
    });
    expect(run.stdout).toContain('terminal');
  });
});

describe('the container of a buildlet', () => {
  it('has only the privileges that builds need', async () => {
    const { create, containers, gomote } = newLab(types);
    const name = await create('box');
    const [{ HostConfig, Config, State }] = containers();
    expect(HostConfig).toMatchObject({ Privileged: false, AutoRemove: true });
    expect(State.Running).toBe(true);
    expect(Config.Labels).toMatchObject({ 'gomote.type': 'box', 'gomote.host': 'box' });
    // Engines show the rest in different ways: what holds in the container is the same.
    const script =
      'cat /proc/self/status /proc/1/comm; echo "Networks: $(echo /sys/class/net/*)"; echo "Pids: $(cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max)"';
    const { stdout } = await gomote(['run', name, 'sh', '-c', script]);
    const capabilities = [0, 1, 3, 4, 5, 6, 7].reduce((mask, bit) => mask | (1 << bit), 0);
    const mask = capabilities.toString(16).padStart(16, '0');
    expect(stdout).toContain(`CapPrm:\t${mask}\n`);
    expect(stdout).toContain(`CapBnd:\t${mask}\n`);
    expect(stdout).toContain('NoNewPrivs:\t1\n');
    expect(stdout).toMatch(/^(docker|podman)-init$/m);
    expect(stdout).toContain('Networks: /sys/class/net/lo\n');
    expect(stdout).toContain('Pids: 4096\n');
  });

  it('writes to volumes that were named, and leaves nothing else', async () => {
    const volume = `gomote-test-${randomBytes(4).toString('hex')}`;
    onTestFinished(() => void docker('volume', 'rm', '--force', volume));
    const { create, gomote, containers, user } = newLab(`
[hosts.given]
image = "${images.shell}"
[hosts.given.docker]
volumes = ["${volume}:/given"]
[builders.given]
host = "given"
`);
    const [first, second] = [await create('given'), await create('given')];
    const write = 'echo x >/own; echo kept >/given/file; cat /own';
    expect(await gomote(['run', first, 'sh', '-c', write])).toMatchObject({ stdout: 'x\n' });
    expect(await gomote(['run', second, 'sh', '-c', 'cat /given/file /own'])).toMatchObject({
      code: 1,
      stdout: 'kept\n',
    });
    const used = containers().flatMap(({ Mounts }) =>
      Mounts.map(({ Name }: { Name: string }) => Name),
    );
    expect((await gomote(['destroy', first, second])).code).toBe(0);
    expect(containers()).toEqual([]);
    const volumes = docker('volume', 'ls', '-q').split('\n');
    // The programs of all buildlets are a volume, which commands cannot write.
    const left = volumes.filter((name) => used.includes(name) && !storesOf(user).includes(name));
    expect(left.filter((name) => !/^gomote-[0-9a-f]{16}$/.test(name))).toEqual([volume]);
  });

  it('is limited by the host type and the command line', async () => {
    const host = `
[hosts.small]
image = "${images.shell}"
[hosts.small.docker]
memory = "128m"
cpus = 0.5
pids-limit = 100
user = "worker"
read-only = true
env = ["GREETING=hello"]
labels = { team = "red" }
capabilities = ["NET_RAW"]
volumes = ["/tmp:/given:ro"]
[builders.small]
host = "small"
`;
    const { create, containers, gomote } = newLab(host);
    const name = await create('small', '--memory', '256m', '--cpus', '1');
    const [{ HostConfig, Config }] = containers();
    expect(HostConfig).toMatchObject({
      Memory: 256 << 20,
      MemorySwap: 256 << 20,
      NanoCpus: 1e9,
      PidsLimit: 100,
      ReadonlyRootfs: true,
    });
    expect(Config.Labels.team).toBe('red');
    const capabilities = await gomote(['run', name, 'cat', '/proc/self/status']);
    expect(capabilities.stdout).toContain('CapBnd:\t0000000000002000\n');
    const script =
      'id -u; echo $GREETING; touch /x 2>/dev/null || echo read-only; touch /tmp/x file; touch /given/x 2>/dev/null || echo given';
    expect(await gomote(['run', name, 'sh', '-c', script])).toMatchObject({
      code: 0,
      stdout: '1234\nhello\nread-only\ngiven\n',
    });
  });
});
