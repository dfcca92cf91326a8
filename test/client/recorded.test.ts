// Our client reads every response recorded from the Go programs to the right result or error.
import { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { serveRaw } from '../helpers/raw-server.ts';
import { loadExchanges, parseResponse } from '../helpers/wire.ts';

type Outcome = { result: unknown } | { error: { code: string; [field: string]: unknown } };

const ok = (result: unknown = undefined): Outcome => ({ result });
const status = (code: number, text: string): Outcome => ({
  error: {
    code: code === 401 || code === 403 ? 'ERR_UNAUTHORIZED' : 'ERR_STATUS',
    status: code,
    text,
  },
});
const ran = (output: string, state: string, more: object): Outcome =>
  ok({ output, state, ...more });
const exited = (output: string, exitCode: number): Outcome =>
  ran(output, exitCode === 0 ? 'ok' : `exit status ${exitCode}`, {
    ok: exitCode === 0,
    exitCode,
    signal: undefined,
    signalNumber: undefined,
  });
const killed = (signal: string, signalNumber: number, words: string): Outcome =>
  ran('', `signal: ${words}`, { ok: false, exitCode: undefined, signal, signalNumber });
const notStarted = (state: string, reason: string): Outcome => ({
  error: { code: 'ERR_NOT_STARTED', state, reason },
});

async function exec(client: BuildletClient): Promise<unknown> {
  let output = '';
  const into = new Writable({
    write(chunk: Buffer, _encoding, done) {
      output += chunk.toString();
      done();
    },
  });
  const result = await client.exec('cmd', { output: into });
  return { output, ...result };
}

const list = async (client: BuildletClient): Promise<unknown> => {
  const lines: string[] = [];
  for await (const entry of client.listDir('d')) lines.push(entry.line);
  return lines;
};
const tar = async (client: BuildletClient) => (await buffer(await client.getTar('d'))).length;
const getStatus = (client: BuildletClient) => client.status();
const write = (client: BuildletClient) => client.put('hello', 'x', 0o644);
const upload = async (client: BuildletClient) => void (await client.putTar('x', 'up'));
const fetchUrl = (client: BuildletClient) => client.putTarFromURL('http://x/y', 'up');
const remove = (client: BuildletClient) => client.removeAll(['w']);

type Call = (client: BuildletClient) => Promise<unknown>;

const bodyLines = (name: string): string[] => {
  const found = loadExchanges('buildlet').find((exchange) => exchange.name === name);
  return parseResponse(found!.response).body.toString().split('\n').slice(0, -1);
};

const buildletCases: Record<string, [Call, Outcome]> = {
  root: [(client) => client.probe(), ok({ expires: undefined })],
  'not-found': [getStatus, status(404, '404 page not found')],
  status: [getStatus, ok({ version: 11, features: [] })],
  'status-no-auth': [getStatus, status(403, 'invalid password')],
  'status-wrong-password': [getStatus, status(403, 'invalid password')],
  'status-any-user': [getStatus, ok({ version: 11, features: [] })],
  'status-post': [getStatus, status(400, 'requires GET method')],
  workdir: [(client) => client.workDir(), ok('/workdir')],
  ...Object.fromEntries(
    ['ls', 'ls-recursive-digest', 'ls-skip', 'ls-root', 'ls-file', 'ls-after-removeall-dot'].map(
      (name) => [name, [list, ok(bodyLines(name))]],
    ),
  ),
  'ls-missing': [list, status(500, 'Walk error: lstat /workdir/absent: no such file or directory')],
  'ls-bogus': [list, status(400, 'bogus dir')],
  'ls-abs': [list, status(400, 'bogus dir')],
  write: [write, ok()],
  'write-bad-path': [write, status(400, 'bad path')],
  'write-abs-path': [write, status(400, 'bad path')],
  'write-bad-mode': [write, status(400, 'bad mode')],
  'write-dir-mode': [write, status(400, 'bad mode')],
  'write-onto-dir': [write, status(500, 'open /workdir/d: is a directory')],
  'write-post': [write, status(400, 'requires POST method')],
  writetgz: [upload, ok()],
  'writetgz-root': [upload, ok()],
  'writetgz-symlink': [
    upload,
    status(400, 'tar file entry link contained unsupported file type Lrwxrwxrwx'),
  ],
  'writetgz-dotdot': [upload, status(400, 'tar file contained invalid name "../a.txt"')],
  'writetgz-abs': [upload, status(400, 'tar file contained invalid name "/x/a.txt"')],
  'writetgz-truncated': [upload, status(400, 'tar error: unexpected EOF')],
  'writetgz-not-gzip': [upload, status(400, 'requires gzip-compressed body: unexpected EOF')],
  'writetgz-bad-tar': [upload, status(400, 'tar error: archive/tar: invalid tar header')],
  'writetgz-bogus-dir': [upload, status(400, 'bogus dir')],
  'writetgz-url-missing': [fetchUrl, status(400, 'missing url POST param')],
  'writetgz-url-refused': [
    fetchUrl,
    status(
      500,
      'fetching URL http://127.0.0.1:1/x.tgz: Get "http://127.0.0.1:1/x.tgz": dial tcp 127.0.0.1:1: connect: connection refused',
    ),
  ],
  'writetgz-url-404': [
    fetchUrl,
    status(500, 'writetgz: fetching provided URL "http://localhost:5936/nope": 404 Not Found'),
  ],
  'writetgz-get': [upload, status(400, 'requires PUT or POST method')],
  tgz: [tar, ok(411)],
  'tgz-release': [tar, ok(411)],
  'tgz-file': [tar, ok(107)],
  'tgz-missing': [tar, { error: { code: 'ERR_CONNECT' } }],
  'tgz-bogus': [tar, status(400, 'bogus dir')],
  'exec-ok': [exec, exited('hello two words\n', 0)],
  'exec-exit-7': [exec, exited('out\nerr\n', 7)],
  'exec-sigkill': [exec, killed('SIGKILL', 9, 'killed')],
  'exec-sigterm': [exec, killed('SIGTERM', 15, 'terminated')],
  'exec-sigsegv': [exec, killed('SIGSEGV', 11, 'segmentation fault')],
  'exec-no-cmd': [exec, status(400, "requires 'cmd' parameter")],
  'exec-not-found': [
    exec,
    notStarted('fork/exec /no/such/cmd: no such file or directory', 'not-found'),
  ],
  'exec-not-on-path': [
    exec,
    notStarted('exec: "nosuchcommand": executable file not found in $PATH', 'not-found'),
  ],
  'exec-path-lookup': [exec, exited('found by PATH\n', 0)],
  'exec-not-executable': [
    exec,
    notStarted('fork/exec /workdir/d/a.txt: permission denied', 'not-executable'),
  ],
  'exec-relative': [exec, exited('ran in /workdir/d/sub with a b\n', 0)],
  'exec-relative-dir': [exec, exited('ran in /workdir/d with\n', 0)],
  'exec-sys-dir': [exec, exited('/workdir/d/sub\n', 0)],
  'exec-sys-default-dir': [exec, exited('/workdir\n', 0)],
  'exec-bogus-dir': [exec, status(400, "bogus 'dir' parameter")],
  'exec-missing-dir': [
    exec,
    notStarted('chdir /workdir/absent: no such file or directory', 'other'),
  ],
  'exec-abs-not-sys': [exec, status(400, "requires 'cmd' parameter")],
  ...Object.fromEntries(
    ['exec-debug', 'exec-env', 'exec-path-empty'].map((name) => [
      name,
      [
        exec,
        exited(
          bodyLines(name)
            .map((line) => `${line}\n`)
            .join(''),
          0,
        ),
      ],
    ]),
  ),
  'exec-get': [exec, status(400, 'requires POST method')],
  'exec-http10': [exec, status(400, 'HTTP/1.1 or higher required')],
  removeall: [remove, ok({ warnings: [] })],
  'removeall-none': [remove, status(400, "requires 'path' parameter")],
  'removeall-bad': [remove, status(400, 'bad \'path\' parameter: "../x"')],
  'removeall-get': [remove, status(400, 'requires POST method')],
  'removeall-dot': [remove, ok({ warnings: [] })],
};

const remote = {
  user: 'user-gopher',
  name: 'user-gopher-linux-arm-0',
  hostType: 'host-linux-arm-scaleway',
  builderType: 'linux-arm',
  created: new Date('2026-11-24T02:25:40.610Z'),
  expires: new Date('2026-11-24T02:55:40.610Z'),
};
const listRemote = (client: CoordinatorClient): Promise<unknown> => client.remoteBuildlets();
const create = (client: CoordinatorClient): Promise<unknown> => client.requestBuildlet('linux-arm');
const through = (call: Call) => async (client: CoordinatorClient) => {
  const buildlet = client.namedBuildlet('user-gopher-linux-arm-0');
  onTestFinished(() => buildlet.disconnect());
  return await call(buildlet);
};

const coordinatorCases: Record<string, [(client: CoordinatorClient) => Promise<unknown>, Outcome]> =
  {
    'list-empty': [listRemote, ok([])],
    'list-no-auth': [listRemote, status(400, 'missing required authentication')],
    'list-bad-key': [listRemote, status(401, 'bad username or password')],
    'list-bad-user': [listRemote, status(401, 'bad username or password')],
    'list-post': [listRemote, status(400, 'GET required')],
    'create-get': [create, status(400, 'POST required')],
    'create-old-version': [
      create,
      status(
        400,
        'gomote client version "20150101" is too old; predates server version "20160922"',
      ),
    ],
    'create-no-type': [create, status(400, "missing 'builderType' parameter")],
    'create-unknown-type': [create, status(400, "unknown builder type in 'builderType' parameter")],
    create: [create, ok(remote)],
    list: [listRemote, ok([remote])],
    'list-other-user': [listRemote, ok([])],
    'proxy-status': [through(getStatus), ok({ version: 11, features: [] })],
    'proxy-workdir': [through((client) => client.workDir()), ok('/workdir')],
    'proxy-no-auth': [through(getStatus), status(400, 'missing required authentication')],
    'proxy-unknown': [through(getStatus), status(502, 'unknown or expired buildlet')],
    'proxy-not-owner': [through(getStatus), status(401, "you don't own that buildlet")],
    'proxy-exec': [through(exec), exited('hi\n', 3)],
    'proxy-halt': [through((client) => client.halt()), ok()],
    'proxy-after-halt': [through(getStatus), status(502, 'unknown or expired buildlet')],
    'list-after-halt': [listRemote, ok([])],
  };

async function outcomeOf(work: Promise<unknown>): Promise<Outcome> {
  return await work.then(
    (result) => ({ result }),
    (error: { code: string }) => ({ error: { ...error, code: error.code } }),
  );
}

describe('the client reads the recorded response', () => {
  it.each(loadExchanges('buildlet').map((exchange) => [exchange.name, exchange] as const))(
    '%s',
    async (name, exchange) => {
      const { address } = await serveRaw(exchange.response);
      const client = new BuildletClient(address, { password: 's3cret' });
      onTestFinished(() => client.disconnect());
      const [call, expected] = buildletCases[name]!;
      expect(await outcomeOf(call(client))).toMatchObject(expected);
    },
  );

  it.each(loadExchanges('coordinator').map((exchange) => [exchange.name, exchange] as const))(
    'of a coordinator: %s',
    async (name, exchange) => {
      const { address, requests } = await serveRaw(exchange.response);
      const auth = { username: 'user-gopher', password: 'token' };
      const client = new CoordinatorClient({ auth, instance: address });
      onTestFinished(() => client.disconnect());
      const [call, expected] = coordinatorCases[name]!;
      expect(await outcomeOf(call(client))).toMatchObject(expected);
      const [request = ''] = requests;
      expect(request).toContain(
        `Authorization: Basic ${Buffer.from('user-gopher:token').toString('base64')}`,
      );
      expect(/X-Buildlet-Proxy: user-gopher-linux-arm-0/i.test(request)).toBe(
        name.startsWith('proxy'),
      );
    },
  );
});
