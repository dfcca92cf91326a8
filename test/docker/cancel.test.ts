// A create that is given up leaves nothing, whatever it was at.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ending, workshop } from '../helpers/programs.ts';
import { docker, images, newLab } from './lab.ts';

/** A way to the engine that says when a request that matches has come, and lets it wait until it is told to go on. */
async function gate(at: RegExp, directory: string) {
  const engine = (process.env.DOCKER_HOST ?? '').replace('unix://', '');
  let reached: () => void = () => undefined;
  const isReached = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const { createServer: createProxy } = await import('node:net');
  const sockets = new Set<Socket>();
  const server = createProxy({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ path: engine, allowHalfOpen: true });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
    client.on('data', (chunk: Buffer) => {
      if (at.test(chunk.toString('latin1').split('\r\n', 1)[0] ?? '')) reached();
      upstream.write(chunk);
    });
    client.on('end', () => upstream.end());
    upstream.pipe(client);
  });
  const path = join(directory, 'gate.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { host: `unix://${path}`, isReached };
}

describe('a create that is interrupted', () => {
  it.each([
    ['looks for the image', /^GET .*\/images\//],
    ['makes the container', /^POST .*\/containers\/create/],
    ['looks for the programs', /^HEAD /],
    ['attaches to the container', /^POST .*\/attach/],
    ['starts the container', /^POST .*\/start/],
  ])('while it %s leaves no container', async (_title, at) => {
    const { user, containers } = newLab();
    const { directory, environment, start } = workshop();
    const { host, isReached } = await gate(at, directory);
    const args = ['--user', user, 'create', `docker:${images.shell}`, '--network', 'none'];
    const child = start('gomote', args, { env: { ...environment, DOCKER_HOST: host } });
    const ended = ending(child);
    await isReached;
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    // It may have been done just before.
    if (code === 0) return;
    expect(stdout.toString()).toBe('');
    expect(containers()).toEqual([]);
  });

  it('while it copies the programs leaves neither a container nor partial copies', async () => {
    const { user, containers } = newLab();
    const { directory, environment, start } = workshop();
    const { host, isReached } = await gate(/^PUT .*payload/, directory);
    // Another version has a volume of its own.
    const root = join(directory, 'package');
    const { cpSync } = await import('node:fs');
    for (const name of ['bin', 'dist', 'package.json', 'node_modules/@lydell']) {
      cpSync(join(import.meta.dirname, '../..', name), join(root, name), { recursive: true });
    }
    const program = join(root, 'dist/buildlet.cjs');
    writeFileSync(program, `${readFileSync(program, 'utf8')}\n// ${user}`);
    const volumes = () =>
      docker('volume', 'ls', '-q', '--filter', 'label=gomote.role=payload').split('\n').sort();
    const before = volumes();
    const args = ['--user', user, 'create', `docker:${images.shell}`, '--network', 'none'];
    const child = start(join(root, 'bin/gomote.js'), args, {
      env: { ...environment, DOCKER_HOST: host },
    });
    const ended = ending(child);
    await isReached;
    child.kill('SIGINT');
    expect((await ended).code).not.toBe(0);
    expect(containers()).toEqual([]);
    expect(docker('ps', '-aq', '--filter', 'label=gomote.role=filler')).toBe('');
    expect(volumes()).toEqual(before);
    rmSync(root, { recursive: true });
  });

  it('while the image is pulled leaves nothing', async () => {
    let reached: () => void = () => undefined;
    const isReached = new Promise<void>((resolve) => {
      reached = resolve;
    });
    // A registry that never answers.
    const registry = createServer(() => reached());
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      registry.closeAllConnections();
      registry.close();
    });
    const address = registry.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { user, containers } = newLab();
    const { environment, start } = workshop();
    const { DOCKER_HOST } = process.env;
    const args = ['--user', user, 'create', `docker:127.0.0.1:${port}/image:1`];
    const child = start('gomote', args, { env: { ...environment, DOCKER_HOST } });
    const ended = ending(child);
    await isReached;
    child.kill('SIGINT');
    expect((await ended).code).not.toBe(0);
    expect(containers()).toEqual([]);
  });
});
