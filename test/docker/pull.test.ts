// Images that the engine does not have: from a registry of the test's own, on the engine's machine.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeHeader } from '../../src/tar/tar-header.ts';
import { docker, dockerLines, newLab } from './lab.ts';

const isLocalEngine = (process.env.DOCKER_HOST ?? '').startsWith('unix://');

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** An image with one file of random bytes, as a registry has it. */
function imageOf(architecture: string) {
  const content = randomBytes(300_000);
  const header = encodeHeader({
    ...{ name: 'file', type: 'File', mode: 0o644, sizeBytes: content.length, mtimeMs: 0 },
  });
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  const tar = Buffer.concat([header, content, padding, Buffer.alloc(1024)]);
  const layer = gzipSync(tar);
  const config = json({
    ...{ architecture, os: 'linux', config: { Env: ['PATH=/bin'] } },
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  });
  const type = 'application/vnd.docker.distribution.manifest.v2+json';
  const manifest = json({
    ...{ schemaVersion: 2, mediaType: type },
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      ...{ size: config.length, digest: digestOf(config) },
    },
    layers: [
      {
        mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
        ...{ size: layer.length, digest: digestOf(layer) },
      },
    ],
  });
  const index = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifests: [
      {
        ...{ mediaType: type, size: manifest.length, digest: digestOf(manifest) },
        platform: { architecture, os: 'linux' },
      },
    ],
  });
  return { type, manifest, index, blobs: [layer, config] };
}

/** Gives `image:1`; the login, if one is asked for, is `me` with the password `secret`. */
async function registry(options: { architecture?: string; login?: boolean } = {}) {
  const host = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const { type, manifest, index, blobs } = imageOf(options.architecture ?? host);
  const find = ({ url = '' }: IncomingMessage): { body: Buffer; type: string } | undefined => {
    if (url === '/v2/') return { body: Buffer.from('{}'), type: 'application/json' };
    const name = url.split('/').at(-1) ?? '';
    const found = [index, manifest, ...blobs].find((bytes) => digestOf(bytes) === name);
    const body = url === '/v2/image/manifests/1' ? index : found;
    const list = 'application/vnd.docker.distribution.manifest.list.v2+json';
    const types = new Map([
      [index, list],
      [manifest, type],
    ]);
    return body && { body, type: types.get(body) ?? 'application/octet-stream' };
  };
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    const wanted = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    if (options.login && authorization !== wanted) {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="test"' }).end();
      return;
    }
    const found = find(request);
    if (found === undefined) {
      const errors = [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }];
      response.writeHead(404, { 'Content-Type': 'application/json' }).end(json({ errors }));
      return;
    }
    const headers = {
      'Content-Type': found.type,
      'Content-Length': found.body.length,
      'Docker-Content-Digest': digestOf(found.body),
    };
    response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : found.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const name = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    const ids = dockerLines('images', '-q', `${name}/image`);
    for (const id of ids) docker('rmi', '-f', id);
  });
  return name;
}

describe.runIf(isLocalEngine)('an image that the engine does not have', () => {
  it('is pulled', async () => {
    const host = await registry();
    const { gomote } = newLab();
    const made = await gomote(['create', `docker:${host}/image:1`]);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining('docker_image-') });
    expect(docker('images', '-q', `${host}/image:1`)).not.toBe('');
  });

  it('is pulled with the login that docker has stored', async () => {
    const host = await registry({ login: true });
    const { gomote, cli } = newLab();
    const refused = await gomote(['create', `docker:${host}/image:1`]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`${host}/image:1`);
    expect(refused.stderr).toContain('docker login');
    const auth = Buffer.from('me:secret').toString('base64');
    mkdirSync(join(cli.directory, '.docker'));
    writeFileSync(
      join(cli.directory, '.docker', 'config.json'),
      JSON.stringify({ auths: { [host]: { auth } } }),
    );
    expect(await gomote(['create', `docker:${host}/image:1`])).toMatchObject({ code: 0 });
  });

  it.each([
    ['is not there', {}, 'image:2', 'check the name and tag'],
    ['is for another platform only', { architecture: 's390x' }, 'image:1', 'platform = "linux/'],
  ])('that %s is reported with what to do', async (_title, options, name, words) => {
    const host = await registry(options);
    const { gomote, containers } = newLab();
    const { code, stderr } = await gomote(['create', `docker:${host}/${name}`]);
    expect(code).toBe(1);
    expect(stderr).toContain(`cannot pull ${host}/${name} on the engine`);
    expect(stderr).toContain(words);
    expect(containers()).toEqual([]);
  });
});
