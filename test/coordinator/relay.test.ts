// The relay between a client and a machine: everything passes, both ways, and what breaks is told or cut.
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ask, startCoordinator, type TestCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { type Misbehaviour, startOddMachine } from '../helpers/odd-machine.ts';
import { until } from '../helpers/processes.ts';
import { parseResponse } from '../helpers/wire.ts';

async function withMachine(paths: Readonly<Record<string, Misbehaviour>>, toml = '') {
  const machine = await startOddMachine(paths);
  const coordinator = await startCoordinator({ addresses: [machine.address], toml });
  const { name } = await coordinator.client('me').requestBuildlet('linux');
  machine.requests.length = 0;
  return { coordinator, machine, name };
}

const credentials = `Authorization: Basic ${btoa(`user-me:${tokenOf('me')}`)}`;

/** Opens a connection and sends the lines as a request's head, and what follows. */
function open({ url }: TestCoordinator, lines: readonly string[], body = '') {
  const socket = connectTls({
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    rejectUnauthorized: false,
  });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.write(`${[...lines, 'Host: c'].join('\r\n')}\r\n\r\n${body}`);
  return socket;
}

const raw = async (coordinator: TestCoordinator, lines: readonly string[], body = '') =>
  parseResponse(await buffer(open(coordinator, [...lines, 'Connection: close'], body)));

const lastLog = ({ log }: TestCoordinator) => log.filter(({ event }) => event === 'request').at(-1);

describe('the relay', () => {
  it('passes all but hop-by-hop headers of a request, and the reply headers of the protocol', async () => {
    const { coordinator, machine, name } = await withMachine({
      '/echo': (_, response) => {
        response.writeHead(207, 'Odd', [
          ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-Gomote-Odd', 'é', 'Gomote-Odd', '1'],
          ...['Content-Security-Policy', 'x', 'Location', '/x', 'WWW-Authenticate', 'Basic'],
          ...['Connection', 'X-Hop', 'X-Hop', 'no', 'Keep-Alive', 'timeout=1'],
        ]);
        response.end('body');
      },
    });
    const reply = await raw(coordinator, [
      'GET /echo?a=%20b HTTP/1.1',
      credentials,
      `x-buildlet-proxy: ${name}`,
      'X-Twice: 1',
      'X-Twice: 2',
      'Connection: X-Mine',
      'X-Mine: hop',
      'Cookie: a=1',
      'Gomote-Store-At: 1:2 %2Fhome',
      'TE: trailers',
    ]);
    expect([reply.status, reply.reason, reply.body.toString()]).toEqual([
      207,
      'Multi-Status',
      'body',
    ]);
    expect(reply.headers.get('x-gomote-odd')).toBe('é');
    expect(reply.headers.get('gomote-odd')).toBe('1');
    for (const name of ['set-cookie', 'content-security-policy', 'location', 'www-authenticate']) {
      expect(reply.headers.has(name)).toBe(false);
    }
    expect(reply.headers.has('x-hop')).toBe(false);
    expect(reply.headers.has('keep-alive')).toBe(false);
    const [{ line, headers }] = machine.requests as [{ line: string; headers: string[] }];
    expect(line).toBe('GET /echo?a=%20b');
    expect(headers).toEqual([
      'X-Twice',
      '1',
      'X-Twice',
      '2',
      'Host',
      machine.address,
      'Connection',
      'keep-alive',
    ]);
  });

  it('counts the bytes of bodies, both ways', async () => {
    const { coordinator, name } = await withMachine({
      '/count': (request, response) => {
        request.resume().on('end', () => response.end('x'.repeat(777)));
      },
    });
    const lines = ['POST /count HTTP/1.1', credentials, `X-Buildlet-Proxy: ${name}`];
    const sized = await raw(coordinator, [...lines, 'Content-Length: 5'], 'hello');
    expect(sized.body.length).toBe(777);
    expect(lastLog(coordinator)).toMatchObject({ requestBytes: 5, replyBytes: 777 });
    const body = '3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n';
    await raw(coordinator, [...lines, 'Transfer-Encoding: chunked'], body);
    expect(lastLog(coordinator)).toMatchObject({ requestBytes: 7, replyBytes: 777 });
  });

  it.each([
    {
      what: 'has',
      head: 'Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n',
      date: /^date: Tue, 24 Nov 2026/,
    },
    { what: 'lacks', head: '', date: /^date: [A-Z][a-z]{2}, / },
    { what: 'has, unreadably,', head: 'Date: \u00e9\r\n', date: /^date: \u00e9$/ },
  ])('sends one date if the machine $what one', async ({ head, date }) => {
    const { coordinator, name } = await withMachine({
      '/dated': ({ socket }) => {
        socket.end(Buffer.from(`HTTP/1.1 200 OK\r\n${head}Content-Length: 0\r\n\r\n`, 'latin1'));
      },
    });
    const lines = ['GET /dated HTTP/1.1', credentials, `X-Buildlet-Proxy: ${name}`];
    const received = await buffer(open(coordinator, [...lines, 'Connection: close']));
    const dates = received
      .toString('latin1')
      .split('\r\n')
      .filter((line) => /^date:/i.test(line));
    expect(dates.map((line) => line.replace(/^Date/, 'date'))).toEqual([
      expect.stringMatching(date),
    ]);
  });

  it.each([
    ['ends with its connection', '', '5\r\nhello\r\n0\r\n\r\n', '5\r\nhello\r\n0\r\n\r\n'],
    [
      'has a length',
      'Content-Length: 15\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
    ],
    ['comes in chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n', 'hello'],
  ])(
    'reads a body that %s correctly, also one that looks like frames',
    async (_, head, sent, body) => {
      const { coordinator, name } = await withMachine({
        '/framed': ({ socket }) => {
          socket.end(`HTTP/1.1 200 OK\r\n${head}Connection: close\r\n\r\n${sent}`);
        },
      });
      for (const method of ['GET', 'HEAD']) {
        const lines = [`${method} /framed HTTP/1.1`, credentials, `X-Buildlet-Proxy: ${name}`];
        const received = await buffer(open(coordinator, [...lines, 'Connection: close']));
        if (method === 'GET') expect(parseResponse(received).body.toString()).toBe(body);
        else expect(received.toString().split('\r\n\r\n')[1]).toBe('');
      }
    },
  );

  it('passes trailers in both directions', async () => {
    const seen: object[] = [];
    const { coordinator, name } = await withMachine({
      '/echo': (request, response) => {
        response.writeHead(200, { Trailer: 'Gomote-Sum' });
        request.on('data', (chunk) => response.write(chunk));
        request.on('end', () => {
          seen.push(request.trailers);
          response.addTrailers({ 'Gomote-Sum': '7' });
          response.end();
        });
      },
    });
    const reply = await raw(
      coordinator,
      [
        'POST /echo HTTP/1.1',
        credentials,
        `X-Buildlet-Proxy: ${name}`,
        'Transfer-Encoding: chunked',
      ],
      '3\r\nabc\r\n0\r\nGomote-Up: 3\r\n\r\n',
    );
    expect([reply.body.toString(), ...reply.trailers]).toEqual(['abc', ['gomote-sum', '7']]);
    expect(seen).toEqual([{ 'gomote-up': '3' }]);
  });

  it.each([
    ['GET', '204 No Content', 'Trailer: Gomote-Sum'],
    ['GET', '204 No Content', 'Trailer: Gomote-Sum\r\nTransfer-Encoding: chunked'],
    ['GET', '204 No Content', 'Content-Length: 5'],
    ['GET', '304 Not Modified', 'Trailer: Gomote-Sum'],
    ['HEAD', '200 OK', 'Trailer: Gomote-Sum\r\nTransfer-Encoding: chunked'],
    ['HEAD', '200 OK', 'Trailer: Gomote-Sum'],
  ])('passes a reply without a body to %s without one: %s, %s', async (method, status, header) => {
    const { coordinator, name } = await withMachine({
      '/bare': ({ socket }) => void socket.end(`HTTP/1.1 ${status}\r\n${header}\r\n\r\n`),
    });
    const lines = [credentials, `X-Buildlet-Proxy: ${name}`, 'Host: c'];
    const socket = open(
      coordinator,
      [`${method} /bare HTTP/1.1`, ...lines],
      `${[`GET /status HTTP/1.1`, ...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`,
    );
    const received = (await buffer(socket)).toString();
    const [first = '', second = '', body] = received.split('\r\n\r\n');
    expect(first).toMatch(new RegExp(`^HTTP/1.1 ${status}\r\n`));
    expect(first).not.toMatch(/content-length|trailer/i);
    expect(second).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(body).toBe('{"Version":11}');
  });

  it('passes only trailers of the protocol', async () => {
    const odd = ['Set-Cookie', 'Alt-Svc', 'Content-Security-Policy', 'Refresh', 'X-Sum'];
    const { coordinator, name } = await withMachine({
      '/odd': (_, response) => {
        response.writeHead(200, { Trailer: 'Process-State' });
        response.addTrailers([...odd.map((one) => [one, '1']), ['Process-State', 'ok']] as never);
        response.end();
      },
    });
    const reply = await raw(coordinator, [
      'GET /odd HTTP/1.1',
      credentials,
      `X-Buildlet-Proxy: ${name}`,
    ]);
    expect([...reply.trailers]).toEqual([['process-state', 'ok']]);
  });

  it.each([
    ['GET /echo HTTP/1.1', 'Trailer: Gomote-Sum'],
    ['POST /echo HTTP/1.1', 'Trailer: Gomote-Sum', 'Content-Length: 0'],
  ])('accepts %s with trailers that cannot come', async (...lines) => {
    const { coordinator, name } = await withMachine({
      '/echo': (_, response) => response.end('body'),
    });
    const reply = await raw(coordinator, [...lines, credentials, `X-Buildlet-Proxy: ${name}`]);
    expect([reply.status, reply.body.toString()]).toEqual([200, 'body']);
  });

  it.each([
    'http://c/halt',
    '/%68alt',
    '//halt',
    '/./halt',
    '/x/../halt',
    '/halt/',
    '/ex%65c',
    '*',
  ])('passes no request on whose path a machine may read otherwise: %s', async (path) => {
    const { coordinator, machine, name } = await withMachine({});
    const lines = [`POST ${path} HTTP/1.1`, credentials, `X-Buildlet-Proxy: ${name}`];
    const reply = await raw(coordinator, [...lines, 'Content-Length: 0']);
    expect([reply.status, reply.body.toString()]).toEqual([400, `bad path "${path}"\n`]);
    expect(machine.requests).toEqual([]);
  });

  it('sends each piece on as it arrives', async () => {
    let write: (text: string) => void = () => undefined;
    const { coordinator, name } = await withMachine({
      '/slow': (_, response) => {
        response.flushHeaders();
        write = (text) => response.write(text);
      },
    });
    const socket = open(coordinator, [
      'GET /slow HTTP/1.1',
      credentials,
      `X-Buildlet-Proxy: ${name}`,
    ]);
    let received = '';
    socket.on('data', (chunk) => {
      received += String(chunk);
    });
    await until(() => received.includes('\r\n\r\n'));
    for (const word of ['one', 'two', 'three']) {
      write(word);
      await until(() => received.includes(word));
    }
  });

  it('slows the sender down to the pace of the receiver, in both directions, and holds little', async () => {
    const counts = { sent: 0, taken: 0 };
    const chunk = Buffer.alloc(1 << 16);
    const { coordinator, name } = await withMachine({
      '/fast': (_, response) => {
        const more = () => {
          do counts.sent += chunk.length;
          while (!response.destroyed && response.write(chunk));
        };
        response.on('drain', more);
        more();
      },
      '/stuck': (request) => void request.once('data', () => request.pause()),
    });
    const names = [credentials, `X-Buildlet-Proxy: ${name}`];
    const reading = open(coordinator, ['GET /fast HTTP/1.1', ...names]);
    reading.pause();
    const writing = open(coordinator, [
      'PUT /stuck HTTP/1.1',
      'Content-Length: 1073741824',
      ...names,
    ]);
    const push = () => {
      do counts.taken += chunk.length;
      while (!writing.destroyed && writing.write(chunk));
    };
    writing.on('drain', push);
    push();
    const settled = async (value: () => number) => {
      let [last, same] = [value(), 0];
      while (same < 200) {
        await turn();
        [last, same] = [value(), value() === last ? same + 1 : 0];
      }
      return last;
    };
    await until(() => counts.sent > 0 && counts.taken > 0);
    expect(await settled(() => counts.sent)).toBeLessThan(32 << 20);
    expect(await settled(() => counts.taken)).toBeLessThan(32 << 20);
    reading.destroy();
    writing.destroy();
  });

  it('ends the request at the machine when the client disconnects, during the request or the reply', async () => {
    const gone: string[] = [];
    const note: Misbehaviour = (request, response) => {
      response.on('close', () => gone.push(String(request.url)));
      request.resume();
      if (request.url === '/reply') response.write('begun');
    };
    const { coordinator, machine, name } = await withMachine({ '/reply': note, '/request': note });
    const names = [credentials, `X-Buildlet-Proxy: ${name}`];
    const reply = open(coordinator, ['GET /reply HTTP/1.1', ...names]);
    const request = open(
      coordinator,
      ['PUT /request HTTP/1.1', 'Content-Length: 99', ...names],
      'x',
    );
    await until(() => machine.requests.length === 2);
    reply.destroy();
    request.destroy();
    await until(() => gone.length === 2);
  });

  it('gives an early reply to a client that is still sending', async () => {
    const { coordinator, name } = await withMachine({
      '/no': (_, response) => {
        response.writeHead(400, { 'Content-Length': 4 });
        response.end('nope');
      },
    });
    const head = ['PUT /no HTTP/1.1', 'Content-Length: 100000000', credentials];
    const socket = open(coordinator, [...head, `X-Buildlet-Proxy: ${name}`]);
    const piece = Buffer.alloc(1 << 16);
    const timer = setInterval(() => socket.writable && socket.write(piece), 1);
    let received = '';
    socket.on('data', (chunk) => {
      received += String(chunk);
    });
    await until(() => received.includes('nope'));
    clearInterval(timer);
    expect(received).toContain('HTTP/1.1 400');
  });

  const cutters: Record<string, Misbehaviour> = {
    '/garbage': (request) => void request.socket.end('this is no HTTP\r\n\r\n'),
    '/close': (request) => void request.socket.destroy(),
    '/half-head': (request) => void request.socket.end('HTTP/1.1 200 OK\r\nX-Some'),
    '/headers': (request) => {
      const { socket } = request;
      socket.write('HTTP/1.1 200 OK\r\n');
      const line = `X-Much: ${'x'.repeat(8_000)}\r\n`;
      const more = () => {
        while (!socket.destroyed && socket.write(line));
      };
      socket.on('drain', more).on('error', () => undefined);
      more();
    },
    '/both-lengths': (request) =>
      void request.socket.end(
        'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc',
      ),
  };

  it.each(Object.keys(cutters))('reports the fault of the machine: %s', async (path) => {
    const { coordinator, name } = await withMachine(cutters);
    const { status, text } = await ask(coordinator, path, {
      user: 'me',
      headers: { 'X-Buildlet-Proxy': name },
    });
    expect([status, text]).toEqual([
      502,
      expect.stringMatching(
        /^coordinator: no reply from the buildlet "user-me-linux-0" \(machine 127[^)]*\): .+ \(request [0-9a-f]{12}\); see gomote list/,
      ),
    ]);
    await until(() => lastLog(coordinator)?.path === path);
    expect(lastLog(coordinator)).toMatchObject({ status: 502, path, user: 'me', buildlet: name });
    // Nobody else is disturbed, and the next request is served.
    const well = { user: 'me', headers: { 'X-Buildlet-Proxy': name } };
    expect((await ask(coordinator, '/status', well)).status).toBe(200);
  });

  const breakers: Record<string, Misbehaviour> = {
    '/mid-body': (request, response) => {
      response.write('some');
      setImmediate(() => request.socket.destroy());
    },
    '/short': (request) =>
      void request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort'),
    '/bad-chunk': (request) =>
      void request.socket.end(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n',
      ),
    '/longer-chunk': (request) =>
      void request.socket.end(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n',
      ),
    '/no-last-chunk': (request) =>
      void request.socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'),
  };

  it.each(Object.keys(breakers))('cuts a reply that was cut: %s', async (path) => {
    const { coordinator, name } = await withMachine(breakers);
    const lines = [`GET ${path} HTTP/1.1`, credentials, `X-Buildlet-Proxy: ${name}`];
    expect((await raw(coordinator, lines)).complete).toBe(false);
    await until(() => lastLog(coordinator)?.path === path);
    expect(lastLog(coordinator)?.cut).toBe(true);
  });

  it('gives up a machine that stops answering, and informs waiting clients', async () => {
    let hangs = false;
    const { coordinator, machine, name } = await withMachine(
      {
        '/status': (_, response) => void (hangs || response.end('{"Version":11}')),
        '/never': () => undefined,
      },
      'probe-interval = "20ms"\ngrace-time = "0"',
    );
    const proxied = { user: 'me', headers: { 'X-Buildlet-Proxy': name } };
    const waiting = ask(coordinator, '/never', proxied);
    await until(() => machine.requests.some(({ line }) => line === 'GET /never'));
    hangs = true;
    expect(await waiting).toMatchObject({
      status: 502,
      text: expect.stringContaining(`"${name}" is dead: it did not answer for`),
    });
  });

  it('informs waiting clients when the owner destroys the machine', async () => {
    const { coordinator, machine, name } = await withMachine({ '/never': () => undefined });
    const proxied = { user: 'me', headers: { 'X-Buildlet-Proxy': name } };
    const waiting = ask(coordinator, '/never', proxied);
    await until(() => machine.requests.some(({ line }) => line === 'GET /never'));
    expect((await ask(coordinator, '/halt', { ...proxied, method: 'POST' })).status).toBe(200);
    expect(await waiting).toMatchObject({
      status: 502,
      text: expect.stringContaining('was ended'),
    });
  });

  it('refuses smuggled requests', async () => {
    const { coordinator, machine, name } = await withMachine({});
    const named = [credentials, `X-Buildlet-Proxy: ${name}`];
    const cases: Record<string, [string[], string, number]> = {
      'two names': [
        ['GET /status HTTP/1.1', ...named, 'X-Buildlet-Proxy: user-other-linux-0'],
        '',
        400,
      ],
      'one name twice': [['GET /status HTTP/1.1', ...named, `X-Buildlet-Proxy: ${name}`], '', 400],
      'a bare CR in a name': [
        ['GET /status HTTP/1.1', credentials, `X-Buildlet-Proxy: a\rb`],
        '',
        400,
      ],
      'a NUL in a name': [['GET /status HTTP/1.1', credentials, 'X-Buildlet-Proxy: a\0b'], '', 400],
      'two names in one': [
        ['GET /status HTTP/1.1', credentials, `X-Buildlet-Proxy: ${name}, x`],
        '',
        502,
      ],
      'an encoded CR LF': [
        ['GET /status HTTP/1.1', credentials, 'X-Buildlet-Proxy: a%0d%0aX: y'],
        '',
        502,
      ],
      'a path out of the state': [
        ['GET /status HTTP/1.1', credentials, 'X-Buildlet-Proxy: ../../users'],
        '',
        502,
      ],
      'both lengths': [
        ['POST /exec HTTP/1.1', ...named, 'Content-Length: 4', 'Transfer-Encoding: chunked'],
        '0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n',
        400,
      ],
      'two lengths': [
        ['POST /exec HTTP/1.1', ...named, 'Content-Length: 0', 'Content-Length: 30'],
        'GET /evil HTTP/1.1\r\n\r\n',
        400,
      ],
      'an odd encoding': [
        ['POST /exec HTTP/1.1', ...named, 'Transfer-Encoding: xchunked'],
        '0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n',
        400,
      ],
      'a command by HTTP/1.0': [['POST /exec HTTP/1.0', ...named, 'Content-Length: 0'], '', 400],
      'chunks by HTTP/1.0': [
        ['PUT /write?path=f&mode=420 HTTP/1.0', ...named, 'Transfer-Encoding: chunked'],
        '0\r\n\r\n',
        400,
      ],
      'no such path': [['GET /nope HTTP/1.1', credentials], '', 404],
    };
    for (const [what, [lines, body, status]] of Object.entries(cases)) {
      const reply = await raw(coordinator, lines, body);
      expect({ what, status: reply.status }).toEqual({ what, status });
    }
    expect(
      machine.requests.map(({ line }) => line).filter((line) => line.includes('evil')),
    ).toEqual([]);
    // A connection's framing is not to be named away either.
    await raw(
      coordinator,
      ['POST /exec HTTP/1.1', ...named, 'Connection: Content-Length', 'Content-Length: 5'],
      'cmd=x',
    );
    const { headers } = machine.requests.at(-1)!;
    expect(headers[headers.indexOf('Content-Length') + 1]).toBe('5');
  });

  it('is not blocked by slow clients or endless forms', async () => {
    const { coordinator, name } = await withMachine({});
    const port = Number(new URL(coordinator.url).port);
    // Half of them never begin TLS, half never end their header.
    for (let i = 0; i < 100; i++) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      onTestFinished(() => void socket.destroy());
      if (i % 2 === 0) socket.write('\x16');
      else open(coordinator, ['GET /status HTTP/1.1', 'X-Slow: 1']).on('error', () => undefined);
    }
    const well = { user: 'me', headers: { 'X-Buildlet-Proxy': name } };
    expect((await ask(coordinator, '/status', well)).status).toBe(200);
    const large = await ask(coordinator, '/buildlet/create', {
      user: 'me',
      method: 'POST',
      body: `version=20160922&builderType=${'x'.repeat(11 << 20)}`,
    });
    expect([large.status, large.text]).toEqual([400, expect.stringContaining('form is larger')]);
  });
});
