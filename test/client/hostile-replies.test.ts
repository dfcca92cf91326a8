// Every field of every reply with a value that it must not have: a clean error, or what is read is what it must be.
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { isGomoteError } from '../../src/errors.ts';
import { parseFileInfo } from '../../src/protocol/file-info.ts';
import { formatRecord } from '../../src/protocol/log-records.ts';
import { logContentType, type SessionEnd } from '../../src/protocol/session.ts';
import { parseTotals } from '../../src/protocol/transfer.ts';
import { testCli } from '../helpers/cli.ts';
import { all } from '../helpers/collect.ts';
import { serveHttp } from '../helpers/http-server.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const time = '2026-01-01T00:00:00Z';
const sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const stream = { bytes: 0, sha256 };
const end = {
  code: 0,
  signal: null,
  why: 'exit',
  state: 'ok',
  started: time,
  ended: time,
  durationMs: 1.5,
  stdout: stream,
  stderr: stream,
};
const info = {
  id: 'x',
  command: ['sh', '-c'],
  running: false,
  detached: false,
  tty: false,
  readers: 0,
  started: time,
  logBytes: 10,
  stdinBytes: 0,
  end,
};
const record = {
  User: 'user-me',
  Name: 'user-me-linux-0',
  HostType: 'host',
  BuilderType: 'linux',
  Created: time,
  Expires: time,
  Health: 'well',
  Reason: 'none',
};
const builder = { Name: 'linux', HostType: 'host', Env: ['A=1'], Path: ['/bin'] };
const ping = 'ping 0 0\n';
const types = {
  Features: ['extend'],
  User: { Name: 'me', Admin: false },
  Hosts: [{ Name: 'host', Description: 'a host' }],
  Builders: [builder],
};

/** Raw JSON texts, so that also numbers that JavaScript cannot write are there. */
const hostileTexts: readonly string[] = [
  'null',
  'true',
  '-1',
  '0.5',
  '1e400',
  '-1e400',
  '9007199254740993',
  '1e300',
  '"0"',
  '""',
  '"NaN"',
  '"\\u001b[31m\\n"',
  '"__proto__"',
  '"constructor"',
  JSON.stringify('x'.repeat(1_500_000)),
  '[]',
  '[[]]',
  '{}',
  '{"__proto__":{"length":1}}',
  '{"toString":1,"valueOf":1,"length":-1}',
  '[null,1,{}]',
];

const places = (value: Json, path: readonly (string | number)[] = []): (string | number)[][] => [
  [...path],
  ...(value !== null && typeof value === 'object'
    ? Object.entries(value).flatMap(([key, below]) => places(below, [...path, key]))
    : []),
];

const mark = '@@hostile@@';

/** The value as JSON, in which `text` stands at that place; absent: nothing does. */
function replaced(value: Json, path: readonly (string | number)[], text: string | undefined) {
  const copy = structuredClone(value);
  if (path.length === 0) return text ?? '';
  let holder = copy as Record<string, Json>;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string, Json>;
  const last = path.at(-1) ?? '';
  if (text === undefined) delete holder[last];
  else holder[last] = mark;
  return JSON.stringify(copy).replace(`"${mark}"`, () => text ?? '');
}

interface Reply {
  readonly name: string;
  readonly value: Json;
  readonly path: string;
  /** What is read of the reply; checks what it gives. */
  readonly read: (address: string) => Promise<unknown>;
  /** The bytes that carry the JSON. */
  readonly body?: (json: string) => Buffer;
  readonly headers?: Record<string, string>;
}

function clientOf(address: string): BuildletClient {
  const client = new BuildletClient(address, { password: 'x' });
  onTestFinished(() => client.disconnect());
  return client;
}

function coordinatorOf(address: string): CoordinatorClient {
  const instance = { kind: 'unix', path: address.slice('unix:'.length) } as const;
  const client = new CoordinatorClient({ instance, auth: { username: 'user-me', password: 'x' } });
  onTestFinished(() => client.disconnect());
  return client;
}

const logHeaders = { 'Content-Type': logContentType, 'Gomote-Session': 'x' };
const readLog = async (address: string) => {
  const options = { reconnectMs: 0 };
  const result = await clientOf(address).sessions.get('x', options).read();
  checkEnd(result.end);
  return result;
};

function checkEnd({ code, signal, durationMs, why }: SessionEnd) {
  expect(code === null || (Number.isInteger(code) && Number(code) >= 0)).toBe(true);
  expect(signal === null || /^SIG[A-Z0-9+-]+$/.test(String(signal))).toBe(true);
  expect(Number.isFinite(durationMs)).toBe(true);
  expect(typeof why).toBe('string');
}

const replies: readonly Reply[] = [
  {
    name: 'a closing record',
    value: end,
    path: '/session',
    headers: logHeaders,
    body: (json) => formatRecord('end', json),
    read: readLog,
  },
  {
    name: 'a gap',
    value: { from: 0, to: 5, stdout: 0, stderr: 0 },
    path: '/session',
    headers: logHeaders,
    body: (json) =>
      Buffer.concat([formatRecord('gap', json), formatRecord('end', JSON.stringify(end))]),
    read: async (address) => {
      const { lostBytes } = await readLog(address);
      expect(Number.isSafeInteger(lostBytes) && lostBytes >= 0).toBe(true);
    },
  },
  {
    name: 'a list of sessions',
    value: [info],
    path: '/sessions',
    read: async (address) => {
      for (const one of await clientOf(address).sessions.list()) {
        expect(one.id).toMatch(/^[\w-]{1,64}$/);
        expect(one.command.every((word) => typeof word === 'string')).toBe(true);
        expect([one.logBytes, one.stdinBytes, one.readers].every(Number.isSafeInteger)).toBe(true);
        expect(Date.parse(one.started)).not.toBeNaN();
        if (one.end !== undefined) checkEnd(one.end);
      }
    },
  },
  {
    name: 'a reply to input',
    value: { offset: 1, closed: false },
    path: '/session/stdin',
    read: (address) =>
      clientOf(address)
        .sessions.get('x', { reconnectMs: 0 })
        .sendInput(Readable.from([Buffer.from('x')])),
  },
  {
    name: 'a status',
    value: { Version: 11, Features: ['sync'] },
    path: '/status',
    read: async (address) => {
      const { version, features } = await clientOf(address).status();
      expect(Number.isSafeInteger(version) && version >= 0).toBe(true);
      expect(features.every((one) => typeof one === 'string')).toBe(true);
    },
  },
  {
    name: 'the state of a tree',
    value: { digest: sha256, generation: '1', zstd: true, named: true },
    path: '/sync/state',
    read: async (address) => {
      const trees = await clientOf(address).trees();
      expect((await trees.state('.', 'all')).digest).toMatch(/^[0-9a-f]{64}$/);
    },
  },
  {
    name: 'the answer to a push',
    value: { digest: sha256, files: 1, bytes: 1, lines: sha256 },
    path: '/sync/apply',
    read: async (address) => {
      const trees = await clientOf(address).trees();
      const { files, bytes } = await trees.apply('.', '1', [Buffer.from('x')]);
      expect([files, bytes].every((n) => Number.isSafeInteger(n) && n >= 0)).toBe(true);
    },
  },
  {
    name: 'the failure of a push',
    value: { error: 'no', status: 409, lost: false },
    path: '/sync/apply',
    read: async (address) => {
      const trees = await clientOf(address).trees();
      await trees.apply('.', '1', [Buffer.from('x')], { onDigest: () => undefined });
    },
  },
  {
    name: "a coordinator's list",
    value: [record],
    path: '/buildlet/list',
    read: async (address) => {
      for (const { name, created, expires } of await coordinatorOf(address).remoteBuildlets()) {
        expect(name).toMatch(/^[!-.0-~]+$/);
        expect([created.getTime(), expires.getTime()].some(Number.isNaN)).toBe(false);
      }
    },
  },
  {
    name: "a coordinator's create",
    value: record,
    path: '/buildlet/create',
    read: (address) => coordinatorOf(address).requestBuildlet('linux', { retryMs: 0 }),
  },
  {
    name: 'a line of a create',
    value: { Buildlet: record, Builder: builder },
    path: '/buildlet/create',
    headers: { 'Content-Type': 'application/x-ndjson; charset=utf-8' },
    body: (json) => Buffer.from(`${json}\n`),
    read: (address) => coordinatorOf(address).request('linux', { retryMs: 0 }),
  },
  {
    name: 'the failure of a create',
    value: { Error: 'no', Status: 500 },
    path: '/buildlet/create',
    headers: { 'Content-Type': 'application/x-ndjson; charset=utf-8' },
    body: (json) => Buffer.from(`${json}\n`),
    read: (address) => coordinatorOf(address).request('linux', { retryMs: 0 }),
  },
  {
    name: "a coordinator's types",
    value: types,
    path: '/buildlet/types',
    read: async (address) => {
      const found = await coordinatorOf(address).types();
      for (const { name, env } of found?.catalogue.builders ?? []) {
        expect([name, ...env].every((one) => typeof one === 'string')).toBe(true);
      }
      expect(typeof (found?.user?.isAdmin ?? false)).toBe('boolean');
    },
  },
  {
    name: "a coordinator's extension",
    value: record,
    path: '/buildlet/extend',
    read: (address) => coordinatorOf(address).extend('x', 1000),
  },
];

/** Serves the reply whose JSON is set before each request; what else is asked is not there. */
async function serveReply({ path, headers, body = Buffer.from }: Reply) {
  const served = { json: '' };
  const address = await serveHttp((request, response, asked) => {
    request.resume();
    if (asked !== path) {
      response.statusCode = 500;
      return void response.end('not here');
    }
    for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
    response.end(body(served.json));
  });
  return { served, address };
}

describe.each(replies.map((reply) => [reply.name, reply] as const))('%s', (_name, reply) => {
  // Hundreds of requests, one after another.
  it('with any hostile value in any place is an error of ours, or has a valid value', {
    timeout: 60_000,
  }, async () => {
    const { served, address } = await serveReply(reply);
    const failures: unknown[] = [];
    const tried = places(reply.value).flatMap((path) =>
      [undefined, ...hostileTexts].map((text) => [path, text] as const),
    );
    for (const [path, text] of tried) {
      served.json = replaced(reply.value, path, text);
      await reply.read(address).catch((error: unknown) => {
        if (isGomoteError(error) && error.message.length < 10_000) return;
        failures.push([path.join('.'), text?.slice(0, 80), error]);
      });
    }
    expect(failures).toEqual([]);
    expect(tried.length).toBeGreaterThan(30);
  });

  it('is read when it is valid', async () => {
    const { served, address } = await serveReply(reply);
    served.json = JSON.stringify(reply.value);
    const outcome = await reply.read(address).catch((error: unknown) => error);
    if (/failure/.test(reply.name)) expect(outcome).toMatchObject({ code: 'ERR_STATUS' });
    else expect(outcome).not.toBeInstanceOf(Error);
  });
});

/** Closing records that do not say how a command ended. */
const badEnds: readonly (readonly [what: string, change: object])[] = [
  ['a fraction', { code: 0.5 }],
  ['text', { code: '0' }],
  ['negative', { code: -1 }],
  ['too large', { code: 2 ** 32 }],
  ['true', { code: true }],
  ['no status at all', { code: null }],
  ['a signal of a number', { code: null, signal: 9, why: 'signal' }],
  ['a signal with an escape', { code: null, signal: '\u001b[2J', why: 'signal' }],
  ['a reason that there is not', { why: '__proto__' }],
  ['a signal that is none', { code: 0, why: 'signal' }],
  ['a digest of capitals', { stdout: { bytes: 0, sha256: sha256.toUpperCase() } }],
  ['a count of text', { stdout: { bytes: '0', sha256 } }],
];

describe('gomote run', () => {
  it.each(badEnds)('ends with 125 when the status is %s', async (_what, change) => {
    const address = await serveHttp((request, response, path) => {
      request.resume();
      response.statusCode = path === '/session' ? 200 : 404;
      response.end(
        path === '/session' ? formatRecord('end', JSON.stringify({ ...end, ...change })) : '',
      );
    });
    for (const argv of [
      ['run', `x@${address}`, 'true'],
      ['wait', `x@${address}`, 'x'],
      ['attach', `x@${address}`, 'x'],
    ]) {
      const { code, stderr } = await testCli()(argv);
      expect([argv[0], code, stderr]).toEqual([argv[0], 125, expect.stringMatching(/^gomote: /)]);
    }
  });
});

it.each<[string, (response: ServerResponse) => void]>([
  ['is silent', () => undefined],
  ['pings now and then', (response) => void setInterval(() => response.write(ping), 20).unref()],
  [
    'never stops to ping',
    (response) => {
      const flood = () => {
        while (!response.destroyed && response.write(ping.repeat(1_000)));
      };
      response.on('drain', flood);
      flood();
    },
  ],
])('a run ends although the reply %s after the closing record', async (_what, goOn) => {
  const address = await serveHttp((request, response, path) => {
    request.resume();
    response.statusCode = path === '/session' ? 200 : 404;
    if (path !== '/session') return void response.end();
    response.write(formatRecord('end', JSON.stringify({ ...end, code: 3 })));
    goOn(response);
  });
  expect(await testCli()(['run', `x@${address}`, 'true'])).toMatchObject({ code: 3 });
});

it('a run whose log continues after its closing record ends with 125', async () => {
  const ends = [end, { ...end, code: 3 }].map((one) => formatRecord('end', JSON.stringify(one)));
  const address = await serveHttp((request, response, path) => {
    request.resume();
    response.statusCode = path === '/session' ? 200 : 404;
    response.end(path === '/session' ? Buffer.concat(ends) : '');
  });
  const { code, stderr } = await testCli()(['run', `x@${address}`, 'true']);
  expect([code, stderr]).toEqual([125, expect.stringContaining('after its closing record')]);
});

describe('a run whose request failed', () => {
  it.each([
    ['500', 500, 'no', false],
    ['a 502 of a server on the way', 502, 'bad gateway', false],
    ['what is no log', 200, 'not a log\n', false],
    ['401', 401, 'invalid password', true],
    ['400', 400, "bogus 'dir' parameter", false],
  ])(
    'may be run again by a script when it got %s: %d %s: %s',
    async (_what, status, text, safe) => {
      const address = await serveHttp((request, response, path) => {
        request.resume();
        response.statusCode = path === '/session' ? status : 404;
        response.end(text);
      });
      const report = join(temporaryDirectory(), 'status');
      const { code } = await testCli()(['run', '--status-json', report, `x@${address}`, 'true']);
      expect(code).toBe(125);
      expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ retrySafe: safe });
    },
  );

  it('and is then refused may still have run', async () => {
    let asked = 0;
    const address = await serveHttp((request, response, path) => {
      request.resume();
      asked += path === '/session' ? 1 : 0;
      if (path === '/session' && asked === 1) return void request.socket.destroy();
      response.statusCode = 401;
      response.end('invalid password');
    });
    const report = join(temporaryDirectory(), 'status');
    const { code } = await testCli()(['run', '--status-json', report, `x@${address}`, 'true']);
    expect(code).toBe(125);
    expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ retrySafe: false });
  });
});

describe('a header of a buildlet', () => {
  const digits = '9'.repeat(400);

  it.each([
    `mode=${digits}, size=1, mtime=1, version=x`,
    `mode=420, size=${digits}, mtime=1, version=x`,
    `mode=420, size=-1, mtime=1, version=x`,
    `mode=420, size=1, mtime=${digits}, version=x`,
    `mode=420, size=1, mtime=1.2.3, version=x`,
    `mode=420, size=1, mtime=., version=x`,
    `mode=420, size=1, mtime=1, version=${'x'.repeat(300)}`,
    `mode=NaN, size=1, mtime=1, version=x`,
  ])('about a file is refused when it is malformed: %.40s', (text) => {
    expect(parseFileInfo(text)).toBeUndefined();
  });

  it('about totals is refused when it is malformed', () => {
    expect(parseTotals(`files=${digits}, bytes=1, wire=1, sha256=${sha256}`)).toBeUndefined();
    expect(parseTotals(`files=1, bytes=1, wire=${digits}, sha256=${sha256}`)).toBeUndefined();
  });

  it.each(['never', '', '2026-99-99T00:00:00Z'])(
    'about the end of a buildlet is ignored when there is no such time: %j',
    async (expires) => {
      const address = await serveHttp((_request, response) => {
        response.setHeader('Gomote-Expires', expires);
        response.end('ok');
      });
      expect(await clientOf(address).probe()).toEqual({ expires: undefined });
    },
  );
});

it('a line of a listing without an end is refused', async () => {
  const address = await serveHttp((_request, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(64 << 10, 'x')));
    };
    response.on('drain', more);
    more();
  });
  await expect(all(clientOf(address).listDir('.'))).rejects.toMatchObject({ code: 'ERR_REPLY' });
});
