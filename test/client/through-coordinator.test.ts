// How many requests commands make through a coordinator, and by which way: straight, or through a proxy.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { AgentOptions } from '../../src/buildlet/agent.ts';
import { proxyOf } from '../../src/http/client/env-proxy.ts';
import { testCli } from '../helpers/cli.ts';
import {
  startCoordinator,
  type TestCoordinator,
  type TestCoordinatorOptions,
  tokenOf,
} from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';

// A command that takes long on a busy machine would send heartbeats, which are requests, too.
vi.mock('../../src/client/heartbeat.ts', () => ({ startHeartbeat: () => () => undefined }));

const root = { name: 'root', isAdmin: true };

async function loggedIn(options: TestCoordinatorOptions = {}) {
  const coordinator = await startCoordinator(options);
  const cli = testCli();
  const { url, fingerprint } = coordinator;
  await cli(['login', url, '--fingerprint', fingerprint], { stdin: [tokenOf('me')] });
  coordinator.log.length = 0;
  return { coordinator, cli };
}

/** What came since the last call. */
const requests = (coordinator: TestCoordinator): string[] => {
  const lines = coordinator.log
    .filter(({ event }) => event === 'request')
    .map(({ method, path }) => `${method} ${path}`);
  coordinator.log.length = 0;
  return lines;
};

describe('the requests of a command', () => {
  /** Runs each and expects it to end well with just these requests. */
  async function expectRequests(
    { coordinator, cli }: Awaited<ReturnType<typeof loggedIn>>,
    cases: readonly (readonly [argv: string[], made: readonly string[]])[],
  ) {
    for (const [argv, made] of cases) {
      coordinator.log.length = 0;
      const { code, stderr } = await cli(argv);
      // A request is logged once its reply is over, which the client may see first.
      const logged = () => coordinator.log.filter(({ event }) => event === 'request').length;
      await until(() => logged() >= made.length);
      expect({ argv, code, stderr, made: requests(coordinator) }).toMatchObject({
        ...{ argv, code: 0, made },
      });
    }
  }

  async function scene(buildlet: Partial<AgentOptions> = {}) {
    const { coordinator, cli } = await loggedIn({ buildlet });
    await cli(['create', 'linux']);
    expect(requests(coordinator)).toEqual(['POST /buildlet/create']);
    const here = (name: string) => join(cli.directory, name);
    mkdirSync(here('tree'));
    writeFileSync(here('tree/f'), 'content');
    writeFileSync(here('large'), Buffer.alloc((1 << 20) + 1, 'x'));
    return { coordinator, cli, here, name: 'user-me-linux-0' };
  }

  it('are one: the name is sent straight to the buildlet', async () => {
    const { here, name, ...both } = await scene();
    await expectRequests(both, [
      [['run', name, 'true'], ['POST /session']],
      [['run', '--detach', name, 'cat'], ['POST /session']],
      [['ps', name], ['GET /sessions']],
      [['ls', name], ['GET /ls']],
      [['put', name, here('tree/f'), 'd/f'], ['PUT /write']],
      [['get', name, 'd/f', here('got')], ['GET /file']],
      [['puttar', name, here('tree')], ['PUT /writetgz']],
      [['gettar', name, '-o', here('got.tgz')], ['GET /tgz']],
      [['puttar', name, here('got.tgz')], ['PUT /writetgz']],
      // What is there comes first; what is there as it should be is all that is asked.
      [
        ['push', name, here('tree')],
        ['GET /sync/state', 'PUT /sync/apply'],
      ],
      [['push', name, here('tree')], ['GET /sync/state']],
      [['diff', name], ['GET /sync/differences']],
      [['pull', name, 'tree', here('pulled')], ['POST /sync/read']],
      [['rm', name, 'd'], ['POST /removeall']],
      [['ping', name], ['GET /status']],
      [['list', '--backend', 'team'], ['GET /buildlet/list']],
      [['types'], ['GET /buildlet/types']],
      [['whoami'], ['GET /buildlet/types']],
      [['extend', name, '1h'], ['POST /buildlet/extend']],
      [['destroy', name], ['POST /halt']],
    ]);
  });

  it('that looks at a run are one, except logs and attach, which first ask for its state', async () => {
    const { name, ...both } = await scene();
    const { stdout } = await both.cli(['run', '--detach', name, 'echo', 'hi']);
    const id = stdout.trim();
    await expectRequests(both, [
      [
        ['logs', name, id],
        ['GET /sessions', 'GET /session'],
      ],
      [
        ['attach', name, id],
        ['GET /sessions', 'GET /session'],
      ],
      [
        ['wait', name, id],
        ['GET /sessions', 'GET /session'],
      ],
    ]);
  });

  it('are two for a large file: the first asks how it may be packed', async () => {
    const { here, name, ...both } = await scene();
    await expectRequests(both, [
      [
        ['put', name, here('large')],
        ['GET /status', 'PUT /file'],
      ],
    ]);
  });

  it('are no more than that to a buildlet without extensions', async () => {
    const { here, name, ...both } = await scene({ features: [] });
    await expectRequests(both, [
      [['put', name, here('tree/f'), 'd/f'], ['PUT /write']],
      [['puttar', name, here('tree')], ['PUT /writetgz']],
      [['gettar', name, '-o', here('got.tgz')], ['GET /tgz']],
      [['ls', name], ['GET /ls']],
      // Each of these finds out by what it wanted to do.
      [
        ['run', name, 'true'],
        ['POST /session', 'POST /exec'],
      ],
      [
        ['get', name, 'd/f', here('got')],
        ['GET /file', 'GET /tgz'],
      ],
    ]);
  });
});

/** An HTTP proxy that counts what it is asked for. */
async function startProxy(reply?: string) {
  const asked: { target: string; authorization: string | undefined }[] = [];
  const server = createServer((_, response) => response.writeHead(405).end());
  const sockets = new Set<Socket>();
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const target = request.url ?? '';
    asked.push({ target, authorization: request.headers['proxy-authorization'] });
    socket.on('error', () => undefined);
    if (reply !== undefined) return void socket.end(reply);
    const [host = '', port] = target.split(':');
    const onward = connect(Number(port), host);
    sockets.add(socket).add(onward);
    onward.on('error', () => socket.destroy());
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    onward.write(head);
    onward.on('data', (chunk) => socket.write(chunk)).on('end', () => socket.end());
    socket.on('data', (chunk) => onward.write(chunk)).on('end', () => onward.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

describe('a proxy in the environment', () => {
  it('carries TLS to the coordinator, whose certificate is still the pinned one', async () => {
    const { coordinator, cli } = await loggedIn();
    const proxy = await startProxy();
    const environment = { HTTPS_PROXY: proxy.url.replace('http://', 'http://me:pw@') };
    expect(await cli(['create', 'linux'], { environment })).toMatchObject({
      code: 0,
      stdout: 'user-me-linux-0\n',
    });
    const ran = await cli(['run', 'user-me-linux-0', 'echo', 'hi'], { environment });
    expect(ran).toMatchObject({ code: 0, stdout: 'hi\n' });
    const target = new URL(coordinator.url).host;
    const authorization = `Basic ${btoa('me:pw')}`;
    expect(proxy.asked[0]).toEqual({ target, authorization });
    const count = proxy.asked.length;
    const spared = { ...environment, NO_PROXY: 'example.com,127.0.0.1' };
    expect(await cli(['list'], { environment: spared })).toMatchObject({ code: 0 });
    expect(proxy.asked.length).toBe(count);
  });

  it('is named when it refuses to connect', async () => {
    const { cli } = await loggedIn();
    const proxy = await startProxy('HTTP/1.1 403 Forbidden\r\n\r\n');
    const environment = { HTTPS_PROXY: proxy.url };
    const { code, stderr } = await cli(['create', 'linux'], { environment });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/proxy 127.*403 Forbidden.*NO_PROXY/),
    ]);
  });

  it.each([
    [{ HTTPS_PROXY: 'p:1' }, 'https://h', 'http://p:1'],
    [{ https_proxy: 'https://p' }, 'https://h', 'https://p'],
    [{ HTTPS_PROXY: 'p:1' }, 'http://h', undefined],
    [{ HTTPS_PROXY: 'p:1', NO_PROXY: '*' }, 'https://h', undefined],
    [{ HTTPS_PROXY: 'p:1', NO_PROXY: 'other, .h.org' }, 'https://a.h.org', undefined],
    [{ HTTPS_PROXY: 'p:1', NO_PROXY: 'h.org' }, 'https://a.h.org', undefined],
    [{ HTTPS_PROXY: 'p:1', NO_PROXY: 'h.org' }, 'https://ah.org', 'http://p:1'],
    [{ HTTPS_PROXY: 'p:1', no_proxy: 'h.org:444' }, 'https://h.org', 'http://p:1'],
    [{ HTTPS_PROXY: 'p:1', no_proxy: 'h.org:444' }, 'https://h.org:444', undefined],
  ])('%j is used for %s: %s', (environment, origin, expected) => {
    expect(proxyOf(origin, environment)).toBe(expected);
  });

  it('that is not a proxy is an error', () => {
    expect(() => proxyOf('https://h', { HTTPS_PROXY: 'socks5://x' })).toThrow('is not a proxy');
  });
});

describe('a restart of the coordinator', () => {
  it('in the middle of a run is waited for, and the command runs once', async () => {
    const { coordinator, cli } = await loggedIn();
    await cli(['create', 'linux']);
    const script =
      'echo x >> runs; for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done; cat runs';
    const running = cli(['run', 'user-me-linux-0', '/bin/sh', '-c', script]);
    await until(() => coordinator.coordinator.views.of(root).sessions[0]?.running.length === 1);
    await coordinator.restart();
    const { code, stdout } = await running;
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1\n2\n3\n4\n5\n6\n7\n8\nx\n' });
  });
});
