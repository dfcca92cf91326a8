// A command line and an engine: what tests have made there is removed after each.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { storeVolume } from '../../src/backends/docker/creations.ts';
import { type Cli, type CliOptions, type CliResult, testCli } from '../helpers/cli.ts';
import { images } from './images.ts';

export { images };

/** What the docker command prints, without the line's end. */
export const docker = (...args: string[]): string =>
  execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

export const dockerLines = (...args: string[]): string[] =>
  docker(...args)
    .split('\n')
    .filter(Boolean);

/** What Podman 4.3 does not do as Docker does is not tried there: each test says what. */
export const isPodman = docker('version').includes('Podman Engine');

/** The users that the containers of tests run as. */
const users = ['root', 'worker', '1234'];

/** The volumes that keep what somebody has pushed. */
export function storesOf(owner: string): string[] {
  const volumes = docker('volume', 'ls', '-q').split('\n');
  return users.map((user) => storeVolume(owner, user)).filter((name) => volumes.includes(name));
}

export interface Lab {
  readonly cli: Cli;
  /** Different in each lab: no other's buildlets are in the way. */
  readonly user: string;
  gomote(argv: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** Makes a buildlet and gives its name; fails when it is not made. */
  create(...args: string[]): Promise<string>;
  /** Runs a script in the work directory of a buildlet. */
  sh(name: string, script: string): Promise<CliResult>;
  /** The containers of this lab, as `docker inspect` shows them. */
  // biome-ignore lint/suspicious/noExplicitAny: it is the engine's own, and large.
  containers(): any[];
}

const defaults = `
default = "docker"

[backends.docker]
kind = "docker"
network = "none"
`;

/** Types for {@link newLab}: `box`, whose commands run as root, and `plain`, whose commands run as another user. */
export const boxAndPlain = `
[hosts.box]
image = "${images.shell}"
[hosts.plain]
image = "${images.shell}"
docker = { user = "1234:1234", env = ["HOME=/opt/gomote/run/open"] }
[builders.box]
host = "box"
[builders.plain]
host = "plain"
`;

/** @param config Further text of config.toml. */
export function newLab(config = '', section = defaults): Lab {
  const cli = testCli();
  const user = `t${randomBytes(4).toString('hex')}`;
  mkdirSync(join(cli.directory, 'config', 'gomote'), { recursive: true });
  writeFileSync(join(cli.directory, 'config', 'gomote', 'config.toml'), `${section}\n${config}`);
  const { DOCKER_HOST } = process.env;
  const gomote = (argv: readonly string[], options: CliOptions = {}) =>
    cli(['--user', user, ...argv], {
      ...options,
      environment: { DOCKER_HOST, ...options.environment },
    });
  const ids = () => dockerLines('ps', '-aq', '--filter', `label=gomote.owner=${user}`);
  onTestFinished(async () => {
    for (const id of ids()) {
      try {
        docker('rm', '-fv', id);
      } catch {
        // The engine is removing it already.
      }
    }
    await expect.poll(ids).toEqual([]);
    for (const volume of storesOf(user)) docker('volume', 'rm', '--force', volume);
  });
  return {
    ...{ cli, user, gomote },
    create: async (...args) => {
      const { code, stdout, stderr } = await gomote(['create', ...args]);
      if (code !== 0) throw new Error(`create failed: ${stderr}`);
      return stdout.trim();
    },
    sh: (name, script) => gomote(['run', '--dir', '.', name, 'sh', '-c', script]),
    containers: () => ids().flatMap((id) => JSON.parse(docker('inspect', id))),
  };
}
