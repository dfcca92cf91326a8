// Every request of the clients ends with ERR_ABORTED when its signal aborts, before it and while the server is silent.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import type { Trees } from '../../src/client/files/trees.ts';

type Options = { signal: AbortSignal };

const sockets = new Set<Socket>();
let onRequest = (): void => undefined;
/** Takes requests and answers none. */
const server = createServer((socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined);
  socket.on('data', () => onRequest());
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;

let client: BuildletClient;
let coordinator: CoordinatorClient;
let trees: Trees;

beforeEach(async () => {
  client = new BuildletClient(address, { password: 'x' });
  const auth = { username: 'user-me', password: 'x' };
  coordinator = new CoordinatorClient({ instance: address, auth });
  trees = await client.trees();
});
afterEach(async () => {
  await Promise.all([client.disconnect(), coordinator.disconnect()]);
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

const session = () => client.sessions.get('x');
const request = { cmd: 'true', systemLevel: false, dir: '', args: [], env: [], debug: false };
const target = { kind: 'tcp', host: 'localhost', port: 1 } as const;
async function* bytes() {
  yield Buffer.from('x');
}

const calls: Record<string, (options: Options) => Promise<unknown>> = {
  halt: (options) => client.halt(options),
  destroyVM: (options) => client.destroyVM(async () => undefined, options),
  hold: (options) => client.hold({ graceMs: 1_000, ...options }),
  exec: (options) => client.exec('true', options),
  getTar: (options) => client.getTar('', options),
  download: (options) => client.download('', options),
  listDir: (options) => client.listDir('', options).next(),
  put: (options) => client.put('x', 'file', 0o644, options),
  putTar: (options) => client.putTar(bytes(), '', options),
  putTarFromURL: (options) => client.putTarFromURL('http://localhost/', '', options),
  removeAll: (options) => client.removeAll(['x'], options),
  probe: (options) => client.probe(options),
  status: (options) => client.status(options),
  has: (options) => client.has('sync', options),
  workDir: (options) => client.workDir(options),
  proxyRequest: (options) => client.proxyRequest({ method: 'GET', path: '/', ...options }),
  'files.get': (options) => client.files.get('x', options),
  'files.put': (options) => client.files.put(bytes(), 'x', { mode: 0o644, ...options }),
  'ports.open': (options) => client.ports.open(options),
  'ports.connect': (options) => client.ports.connect(target, options),
  'ports.listen': (options) => client.ports.listen(target, () => undefined, options),
  'ports.list': (options) => client.ports.list(options),
  'sessions.start': (options) => client.sessions.start({ cmd: 'true' }, options),
  'sessions.list': (options) => client.sessions.list(options),
  'session.read': (options) => session().read(options),
  'session.start': (options) => session().start(request, options),
  'session.readUntil': (options) => session().readUntil(1, options),
  'session.sendInput': (options) => session().sendInput(bytes(), options),
  'session.kill': (options) => session().kill('SIGTERM', options),
  'session.resize': ({ signal }) => session().resize(80, 24, signal),
  'session.detach': ({ signal }) => session().detach(signal),
  'trees.state': (options) => trees.state('', 'all', options),
  'trees.manifest': (options) => trees.manifest('', 'all', options),
  'trees.differences': (options) => trees.differences('', options),
  'trees.chunks': (options) => trees.chunks('', 'x', options),
  'trees.stored': (options) => trees.stored(Buffer.alloc(0), 0, options),
  'trees.apply': (options) => trees.apply('', '', [], options),
  'trees.read': (options) => trees.read('', ['x'], options),
  'coordinator.createBuildlet': (options) => coordinator.createBuildlet('linux', options),
  'coordinator.requestBuildlet': (options) => coordinator.requestBuildlet('linux', options),
  'coordinator.request': (options) => coordinator.request('linux', options),
  'coordinator.requestAll': (options) => coordinator.requestAll('linux', 2, options),
  'coordinator.remoteBuildlets': (options) => coordinator.remoteBuildlets(options),
  'coordinator.types': (options) => coordinator.types(options),
  'coordinator.clock': (options) => coordinator.clock(options),
  'coordinator.extend': (options) => coordinator.extend('x', 1_000, options),
  'coordinator.signIn': (options) => coordinator.signIn(() => undefined, options),
  'coordinator.snapshots': (options) => coordinator.snapshots(options),
  'coordinator.machines': (options) => coordinator.machines(options),
  'coordinator.drain': (options) => coordinator.drain('x', '', options),
  'coordinator.undrain': (options) => coordinator.undrain('x', options),
};

const reason = new Error('the user left');
const aborted = { code: 'ERR_ABORTED', cause: reason };

describe.each(Object.entries(calls))('%s', (_, call) => {
  it('is not sent when its signal has already aborted', async () => {
    let requests = 0;
    onRequest = () => void requests++;
    await expect(call({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject(aborted);
    expect(requests).toBe(0);
  });

  it('refuses a value that is not a signal', async () => {
    const signal = { aborted: false } as AbortSignal;
    await expect((async () => await call({ signal }))()).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: 'signal must be an AbortSignal',
    });
  });

  it('ends when its signal aborts while the server is silent', async () => {
    const stop = new AbortController();
    const asked = new Promise<void>((resolve) => {
      onRequest = resolve;
    });
    const ending = call({ signal: stop.signal });
    ending.catch(() => undefined);
    await asked;
    stop.abort(reason);
    await expect(ending).rejects.toMatchObject(aborted);
  });
});
