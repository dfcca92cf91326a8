// The container images of docs/kubernetes, built and run as they are meant to be: without root, and with nothing to write to.
import { execFileSync } from 'node:child_process';
import { chownSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { docker } from './lab.ts';

const base = 'gomote-test/node:1';
const imageOf = (program: string) => `gomote-test/${program}:1`;
const programs = ['coordinator', 'buildlet'];
/** The user of the images. */
const uid = 1000;

beforeAll(() => {
  const tools = ['node', 'sh', 'cat', 'id', 'mkfifo', 'touch'];
  execFileSync(join(import.meta.dirname, 'image'), [base, ...tools]);
  for (const program of programs) {
    const file = join(projectRoot, `docs/kubernetes/${program}.Dockerfile`);
    const args = ['--build-arg', `NODE_IMAGE=${base}`, '-f', file, '-t', imageOf(program)];
    execFileSync('docker', ['build', '-q', ...args, projectRoot], {
      env: { ...process.env, DOCKER_BUILDKIT: '0' },
      stdio: 'pipe',
    });
  }
});

afterAll(() => {
  docker('rmi', '--force', ...programs.map(imageOf), base);
});

/** A directory of the images' user. */
function ownDirectory(): string {
  const path = temporaryDirectory();
  chownSync(path, uid, uid);
  return path;
}

function own(path: string, content: string): void {
  writeFileSync(path, content, { mode: 0o600 });
  chownSync(path, uid, uid);
}

function ask(socketPath: string, path: string, body?: string, auth?: string) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const outgoing = request({
      socketPath,
      path,
      auth,
      method: body === undefined ? 'GET' : 'POST',
    });
    outgoing.once('error', reject).once('response', async (reply) => {
      resolve({ status: reply.statusCode ?? 0, text: await text(reply) });
    });
    outgoing.setHeader('Content-Type', 'application/x-www-form-urlencoded');
    outgoing.end(body);
  });
}

it('a coordinator and a buildlet start from their images, and a user gets a buildlet', async () => {
  const sockets = ownDirectory();
  const state = ownDirectory();
  const config = ownDirectory();
  own(join(config, 'password'), 'of-the-machine\n');
  own(
    join(config, 'coordinator.toml'),
    [
      'listen = "unix:/sockets/coordinator"',
      'tls = "off"',
      'state-directory = "/var/lib/gomote/state"',
      '[hosts.h]\n[builders.linux]\nhost = "h"\n[pools.p]\nkind = "static"\nhost = "h"',
      'machines = [{ address = "unix:/sockets/buildlet", password-file = "/etc/gomote/password" }]',
    ].join('\n'),
  );
  const run = (program: string, ...args: string[]): string => {
    const confined = ['--network', 'none', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL'];
    const mounts = ['-v', `${sockets}:/sockets`, '-v', `${config}:/etc/gomote:ro`];
    const more = program === 'coordinator' ? ['-v', `${state}:/var/lib/gomote`] : [];
    return docker('run', '-d', ...confined, ...mounts, ...more, imageOf(program), ...args);
  };
  const listen = ['--listen', 'unix:/sockets/buildlet', '--password-file', '/etc/gomote/password'];
  const containers = [run('buildlet', ...listen), run('coordinator')];
  try {
    const [, coordinator = ''] = containers;
    const socket = join(sockets, 'coordinator');
    const isReady = () =>
      ask(socket, '/readyz').then(
        ({ status }) => status === 200,
        () => false,
      );
    await until(isReady);
    const add = ['user', 'add', 'me', '--config', '/etc/gomote/coordinator.toml'];
    const token = docker('exec', coordinator, 'node', '/opt/gomote/bin/coordinator.js', ...add);
    const form = 'version=20160922&builderType=linux';
    const made = await ask(socket, '/buildlet/create', form, `user-me:${token}`);
    expect(JSON.parse(made.text)).toMatchObject({ Name: 'user-me-linux-0' });
    for (const container of containers) {
      expect(docker('exec', container, 'id', '-u')).toBe(String(uid));
      expect(() => docker('exec', container, 'touch', '/new')).toThrow('Read-only file system');
    }
    // SIGTERM ends it in order: what is saved is there the next time.
    docker('stop', coordinator);
    expect(docker('inspect', '-f', '{{.State.ExitCode}}', coordinator)).toBe('0');
  } finally {
    docker('rm', '-fv', ...containers);
  }
});
