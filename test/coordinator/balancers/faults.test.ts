// What balancers refuse, cut and drop: errors name them, and what was cut is never taken for whole.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../../src/client/buildlet-client.ts';
import { hasNginx, startNginx } from '../../helpers/balancer.ts';
import { testCli } from '../../helpers/cli.ts';
import { startCoordinator, type TestCoordinator } from '../../helpers/coordinator.ts';
import { type Cutter, startCutter } from '../../helpers/cutter.ts';
import { serveHttp } from '../../helpers/http-server.ts';
import { behindPlain, login, nginxServer, upstreamOf } from './kinds.ts';

const name = 'user-me-linux-0';

async function behindNginx(options: { more?: string; lines?: string; upstream?: string } = {}) {
  const coordinator = await startCoordinator({ toml: behindPlain, machines: 1 });
  const { more = '', lines = '' } = options;
  const upstream = options.upstream ?? upstreamOf(coordinator);
  const nginx = await startNginx({ config: nginxServer(upstream, more), lines });
  const cli = testCli();
  await login(cli, `http://127.0.0.1:${nginx.port}`, coordinator);
  await cli(['create', 'linux']);
  return { coordinator, cli };
}

describe.runIf(hasNginx)('errors name the proxy', () => {
  it.each(['put', 'push', 'puttar'])('that refuses the body of %s', async (command) => {
    const { cli } = await behindNginx();
    const at = (...parts: string[]) => join(cli.directory, ...parts);
    mkdirSync(at('tree'));
    const noise = Buffer.from(Array.from({ length: 3 << 20 }, () => Math.random() * 256));
    writeFileSync(at('tree', 'large'), noise);
    const argv = {
      put: ['put', name, at('tree', 'large')],
      push: ['push', name, at('tree')],
      puttar: ['puttar', name, at('tree')],
    }[command];
    const { code, stderr } = await cli(argv ?? []);
    expect(stderr).toMatch(/413 from a proxy \(nginx\/[\d.]+\): the body is too large for it/);
    expect(stderr).toContain('raise its body limit (nginx: client_max_body_size 0)');
    expect(code).toBe(1);
  });

  it('that cannot reach the server', async () => {
    const { coordinator, cli } = await behindNginx();
    await coordinator.drain(0);
    const { code, stderr } = await cli(['list']);
    expect(stderr).toMatch(/502 from a proxy \(nginx\/[\d.]+\): it has no reply from the server/);
    expect(code).toBe(1);
  });
});

it('a command that a proxy forwards by HTTP/1.0 is refused, with what to do', async () => {
  const address = await serveHttp((_request, response) => {
    response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.end('HTTP/1.1 or higher required\n');
  });
  const client = new BuildletClient(address);
  onTestFinished(() => client.disconnect());
  await expect(client.exec('true')).rejects.toMatchObject({
    message: expect.stringContaining('the proxy speaks HTTP/1.0: HTTP/1.1 or higher required'),
    hint: 'let it speak HTTP/1.1 to the server (nginx: proxy_http_version 1.1)',
  });
});

it('a listing without its last line is recognized as cut, even after a complete line', async () => {
  const address = await serveHttp((_request, response) => {
    response.writeHead(200, { 'Gomote-List-End': '1' });
    response.end('drwxr-xr-x\tone/\n');
  });
  const client = new BuildletClient(address);
  onTestFinished(() => client.disconnect());
  const read = async () => {
    for await (const _entry of client.listDir(''));
  };
  await expect(read()).rejects.toMatchObject({ code: 'ERR_LOST' });
});

describe.runIf(hasNginx)('a reply that is cut behind a proxy that speaks HTTP/1.0', () => {
  const size = 3 << 20;

  async function setUp(): Promise<{ cutter: Cutter; cli: ReturnType<typeof testCli> }> {
    const coordinator: TestCoordinator = await startCoordinator({ toml: behindPlain, machines: 1 });
    const cutter = await startCutter(upstreamOf(coordinator));
    const config = nginxServer(cutter.address);
    const nginx = await startNginx({ config, lines: 'client_max_body_size 0;' });
    const cli = testCli();
    await login(cli, `http://127.0.0.1:${nginx.port}`, coordinator);
    await cli(['create', 'linux']);
    const script = `mkdir many; cd many; i=0; while [ $i -lt 3000 ]; do : >a-name-that-is-not-short-$i; i=$((i+1)); done; head -c ${size} /dev/urandom >../large`;
    expect(await cli(['run', name, '/bin/sh', '-c', script])).toMatchObject({ code: 0 });
    return { cutter, cli };
  }

  /** Ends the next connection in order that brings so much. */
  const cutNext = (cutter: Cutter) => {
    const next = cutter.connections;
    cutter.plan = (connection) =>
      connection >= next && connection <= next + 1
        ? { kind: 'end', direction: 'down', afterBytes: 100_000 }
        : undefined;
  };

  it('is not taken for a listing', async () => {
    const { cutter, cli } = await setUp();
    cutNext(cutter);
    const { code, stderr } = await cli(['ls', name, 'many']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/was cut|in the middle of a line/)]);
  });

  it('is not taken for an archive', async () => {
    const { cutter, cli } = await setUp();
    cutNext(cutter);
    const { code, stderr } = await cli(['gettar', '--output', join(cli.directory, 'a.tgz'), name]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('did not say what it counted')]);
    expect(() => readFileSync(join(cli.directory, 'a.tgz'))).toThrow('ENOENT');
  });

  it('is resumed if it is a file', async () => {
    const { cutter, cli } = await setUp();
    cutNext(cutter);
    const got = join(cli.directory, 'got');
    expect(await cli(['get', name, 'large', got])).toMatchObject({ code: 0 });
    expect(readFileSync(got).length).toBe(size);
  });
});
