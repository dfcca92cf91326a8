// What the library promises of times, cancelling, errors and replies that are left.
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { GceCallOptions } from '../../src/backends/gce/options.ts';
import { startPod } from '../../src/backends/start-pod.ts';
import { destroyVM, listVMs } from '../../src/backends/virtual-machines.ts';
import type { HostType } from '../../src/builders.ts';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { buildletConnection } from '../../src/client/buildlet-connection.ts';
import { CoordinatorSnapshots } from '../../src/client/coordinator-snapshots.ts';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { abortedError, GomoteError } from '../../src/errors.ts';
import { fingerprintDigits } from '../../src/fingerprint.ts';
import { fingerprintOf, pinCheck } from '../../src/http/client/pin.ts';
import { tokenBucket } from '../../src/rate-limit.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { all, Collector } from '../helpers/collect.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { serveHttp } from '../helpers/http-server.ts';
import { until } from '../helpers/processes.ts';

describe('a call that is cancelled', () => {
  const why = new Error('enough');
  const type = {
    name: 'h',
    kubernetes: { image: 'i' },
  } as unknown as HostType;

  type Call = readonly [name: string, call: (signal: AbortSignal) => Promise<unknown>];

  /** Calls that wait for something that never comes. */
  const calls: readonly Call[] = [
    [
      'tokenBucket',
      (signal) => tokenBucket({ perSecond: 1e-6, burst: 0 })(signal) as Promise<void>,
    ],
    [
      'status',
      async (signal) => new BuildletClient(await serveHttp(() => undefined)).status({ signal }),
    ],
    [
      'exec',
      async (signal) =>
        clientOf(await startBuildlet()).exec('sleep', { args: ['9'], systemLevel: true, signal }),
    ],
    [
      'sendInput',
      async (signal) => {
        const address = await serveHttp((request) => void request.resume());
        const session = new BuildletClient(address).sessions.get('x');
        const source = (async function* () {
          yield Buffer.from('x');
        })();
        await session.sendInput(source, { signal });
      },
    ],
    [
      'hold.release',
      async (signal) => {
        // Held, and then silent.
        let held = 0;
        const address = await serveHttp((_request, response) => {
          if (held++ === 0) response.writeHead(200).write('\n');
        });
        const client = new BuildletClient(address);
        const hold = await client.hold({ graceMs: 60_000 });
        onTestFinished(() => hold?.drop());
        await hold?.release({ signal });
      },
    ],
    ...Object.entries<(snapshots: CoordinatorSnapshots, signal: AbortSignal) => Promise<unknown>>({
      list: (snapshots, signal) => snapshots.list({ signal }),
      create: (snapshots, signal) => snapshots.create('b', 't', { signal }),
      restore: (snapshots, signal) => snapshots.restore('b', 't', { signal }),
      share: (snapshots, signal) => snapshots.share('t', true, { signal }),
      remove: (snapshots, signal) => snapshots.remove('t', { signal }),
    }).map(
      ([name, call]): Call => [
        `CoordinatorSnapshots.${name}`,
        async (signal) => {
          const address = await serveHttp((request) => void request.resume());
          const connection = buildletConnection(address, undefined, {});
          await call(new CoordinatorSnapshots(connection, true), signal);
        },
      ],
    ),
    [
      'startPod',
      async (signal) => {
        const config = new KubeConfig();
        const [name, cluster, user] = ['c', 'c', 'c'];
        config.loadFromOptions({
          clusters: [{ name, server: await silentServer() }],
          users: [{ name }],
          contexts: [{ name, cluster, user }],
          currentContext: name,
        });
        // Once the pod has been asked for, the answer is waited for.
        const gate = tokenBucket({ perSecond: 1e-6, burst: 0 });
        await startPod(config, 'pod', type, { projectId: 'p', imageRegistry: 'r', gate, signal });
      },
    ],
    ...(
      [
        ['listVMs', (options) => listVMs('key', 'p', 'z', options)],
        ['destroyVM', (options) => destroyVM('key', 'p', 'z', 'vm', options)],
      ] as [string, (options: GceCallOptions) => Promise<unknown>][]
    ).map(
      ([name, call]): Call => [
        name,
        async (signal) => call({ endpoint: await silentServer(), signal }),
      ],
    ),
  ];

  /** Takes requests and never answers; gives its URL. */
  async function silentServer(): Promise<string> {
    const server = createServer((request) => void request.resume());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close().closeAllConnections());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it.each(calls)('fails with ERR_ABORTED and its cause: %s', async (_name, call) => {
    for (const isLate of [false, true]) {
      const leave = new AbortController();
      if (!isLate) leave.abort(why);
      else setTimeout(() => leave.abort(why), 30);
      await expect(call(leave.signal)).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: why });
    }
  });

  it('does not fail another call that waits for the same reply', async () => {
    const waiting: ServerResponse[] = [];
    const client = new BuildletClient(
      await serveHttp((_request, response) => void waiting.push(response)),
    );
    onTestFinished(() => client.disconnect());
    const leave = new AbortController();
    const first = client.has('x', { signal: leave.signal });
    const second = client.has('x');
    await until(() => waiting.length === 1);
    leave.abort(why);
    await expect(first).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: why });
    waiting[0]?.end('{"Version":11,"Features":["x"]}');
    expect(await second).toBe(true);
  });

  it('throws an error of its own each time', async () => {
    const client = clientOf(await startBuildlet());
    client.markBroken();
    const errors = await Promise.all(
      [client.status(), client.status(), client.exec('true')].map((call) =>
        call.catch((error: unknown) => error),
      ),
    );
    expect(errors.map((error) => (error as GomoteError).code)).toEqual(Array(3).fill('ERR_BROKEN'));
    expect(new Set(errors).size).toBe(3);
    const reason = new GomoteError('ERR_TIMEOUT', 'late', { hint: 'wait' });
    const copies = [0, 1].map(() => abortedError(AbortSignal.abort(reason)));
    expect(copies[0]).not.toBe(copies[1]);
    expect(copies[0]).toMatchObject({ code: 'ERR_TIMEOUT', message: 'late', hint: 'wait' });
  });
});

describe('a command', () => {
  it('ends when its caller’s function for its start throws', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    const why = new Error('not this one');
    const mark = join(buildlet.workDir, 'over');
    const args = ['-c', `trap 'touch ${mark}; exit' TERM; echo x; while :; do sleep 0.02; done`];
    const onStartExec = () => {
      throw why;
    };
    await expect(client.exec('sh', { systemLevel: true, args, onStartExec })).rejects.toBe(why);
    await expect(client.exec('true', { systemLevel: true })).resolves.toMatchObject({ ok: true });
  });

  it('ends when writing its output throws', async () => {
    const client = clientOf(await startBuildlet());
    const output = new Writable();
    const why = new Error('cannot write');
    output.write = () => {
      throw why;
    };
    const args = ['-c', 'echo x; sleep 60'];
    await expect(client.exec('sh', { systemLevel: true, args, output })).rejects.toBe(why);
  });

  it('gets its header in time beside many others that start', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    // More take longer than the client waits for a header where a processor is shared by many.
    const results = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const output = new Collector();
        const args = ['-c', `echo ${i}; exit ${i}`];
        const { exitCode } = await client.exec('sh', { systemLevel: true, args, output });
        return [exitCode, output.text];
      }),
    );
    expect(results).toEqual(results.map((_, i) => [i, `${i}\n`]));
  });

  it('is not started for a client that has left', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    const leave = new AbortController();
    const calls = Array.from({ length: 40 }, (_, i) =>
      client
        .exec('touch', { systemLevel: true, args: [`f${i}`], signal: leave.signal })
        .catch((error: unknown) => error),
    );
    leave.abort();
    for (const outcome of await Promise.all(calls)) {
      expect(outcome).toMatchObject({ code: 'ERR_ABORTED' });
    }
    await client.exec('true', { systemLevel: true });
    expect(existsSync(join(buildlet.workDir, 'f39'))).toBe(false);
  });

  it('gets the environment and PATH of its buildlet’s builder type', async () => {
    // Its builder type has FROM_TYPE.
    const coordinator = await startCoordinator();
    const client = await coordinator.client('me').createBuildlet('linux');
    onTestFinished(() => client.disconnect());
    const output = new Collector();
    const args = ['-c', 'echo $FROM_TYPE'];
    await client.exec('sh', { systemLevel: true, args, output });
    expect(output.text).toBe('yes\n');
  });

  it('gets what its client gives every command, before its own', async () => {
    const buildlet = await startBuildlet();
    const client = new BuildletClient(buildlet.address, undefined, {
      env: ['A=1', 'B=1'],
      path: ['/first', '$PATH'],
    });
    onTestFinished(() => client.disconnect());
    const [output, stdout] = [new Collector(), new Collector()];
    const args = ['-c', 'echo $A $B $PATH'];
    await client.exec('sh', { systemLevel: true, args, extraEnv: ['B=2'], output });
    const request = { cmd: 'sh', systemLevel: true, args, env: ['B=2'] };
    await (await client.sessions.start(request))?.read({ stdout });
    for (const { text } of [output, stdout]) expect(text).toMatch(/^1 2 \/first:/);
  });
});

describe('a reply that is left early', () => {
  /** Tells how many replies are still open. */
  async function endless() {
    const open = new Set<ServerResponse>();
    const address = await serveHttp((_request, response, path) => {
      open.add(response);
      response.on('close', () => open.delete(response));
      if (path === '/file') {
        response.setHeader('Gomote-File', 'mode=420, size=99999999, mtime=1, version=x');
      }
      const line = path === '/ls' ? '-rw-r--r--\tx\t1\t2026-01-01T00:00:00Z\n' : 'x'.repeat(100);
      const more = () => {
        while (response.write(line.repeat(100)));
      };
      response.on('drain', more);
      more();
    });
    const client = new BuildletClient(address);
    onTestFinished(() => client.disconnect());
    return { client, open };
  }

  it.each([
    [
      'a listing',
      async (client: BuildletClient) => {
        for await (const _ of client.listDir('.')) break;
      },
    ],
    ['an archive', async (client: BuildletClient) => void (await client.getTar('.')).destroy()],
    [
      'a file',
      async (client: BuildletClient) => {
        for await (const _ of (await client.files.get('f')).body) break;
      },
    ],
    [
      'a file of which nothing was read',
      async (client: BuildletClient) =>
        void (await (await client.files.get('f')).body.return(undefined)),
    ],
    [
      'a tree',
      async (client: BuildletClient) => {
        for await (const _ of await (await client.trees()).read('.', undefined)) break;
      },
    ],
  ])('keeps no connection: %s', async (_what, leave) => {
    const { client, open } = await endless();
    await leave(client);
    await until(() => open.size === 0);
  });
});

describe('a function of the caller that throws', () => {
  const why = new Error('not told');
  const fail = () => {
    throw why;
  };

  it('fails the call with its own error and leaves no reply open: onRequest', async () => {
    const open = new Set<ServerResponse>();
    const address = await serveHttp((_request, response) => {
      open.add(response.on('close', () => open.delete(response)));
      response.write('x');
    });
    const client = new BuildletClient(address, undefined, { onRequest: fail });
    onTestFinished(() => client.disconnect());
    await expect(client.workDir()).rejects.toBe(why);
    await until(() => open.size === 0);
  });

  it('does not end the process: onHeartbeatFailure', async () => {
    const address = await serveHttp((_request, response) => void response.destroy());
    const client = new BuildletClient(address, undefined, { heartbeatIntervalMs: 5 });
    client.onHeartbeatFailure = fail;
    await client.status().catch(() => undefined);
    await until(() => client.isBroken);
    await client.disconnect();
  });
});

it.each([
  [
    'throws',
    () => {
      throw new Error('no machine');
    },
  ],
  ['rejects', async () => Promise.reject(new Error('no machine'))],
])(
  'an end of a machine that %s does not end the process, and both ends are reported',
  async (_how, end) => {
    const client = new BuildletClient('unix:/nosuch/socket');
    await expect(client.destroyVM(end)).rejects.toMatchObject({
      code: 'ERR_STATUS',
      message: expect.stringMatching(/platform: no machine; buildlet: .*ENOENT/),
    });
  },
);

describe('a dispatcher of the caller', () => {
  /** A server whose reply is silent in its middle until it is told to go on. */
  async function silent() {
    const waiting: ServerResponse[] = [];
    const address = await serveHttp((_request, response) => {
      response.write('x');
      waiting.push(response);
    });
    return { address, waiting, socketPath: address.slice('unix:'.length) };
  }

  it('does not end a reply that is silent, however short its own time limit', async () => {
    const { address, waiting, socketPath } = await silent();
    const dispatcher = new Agent({ bodyTimeout: 20, connect: { socketPath } });
    onTestFinished(() => dispatcher.close());
    const client = new BuildletClient(address, undefined, { dispatcher });
    const call = client.workDir();
    await until(() => waiting.length === 1);
    // The dispatcher's limit of the body is over by then.
    await new Promise((resolve) => setTimeout(resolve, 100));
    waiting[0]?.end('y');
    expect(await call).toBe('xy');
    await client.disconnect();
  });

  it('is released by a call that is cancelled', async () => {
    const { address, waiting, socketPath } = await silent();
    const dispatcher = new Agent({ connect: { socketPath } });
    onTestFinished(() => dispatcher.destroy());
    const client = new BuildletClient(address, undefined, { dispatcher });
    const leave = new AbortController();
    const calls = [
      client.workDir({ signal: leave.signal }),
      client.exec('x', { signal: leave.signal }),
      client.put(new PassThrough(), 'f', 0o644, { signal: leave.signal }),
    ];
    // What asks for features first is cancelled while it asks.
    await until(() => waiting.length >= 2);
    const why = new Error('enough');
    leave.abort(why);
    for (const call of calls) {
      await expect(call).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: why });
    }
    await client.disconnect();
  });
});

describe('many calls with one signal', () => {
  it('are no leak for Node', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    process.on('warning', note);
    onTestFinished(() => void process.off('warning', note));
    const client = clientOf(await startBuildlet());
    const { signal } = new AbortController();
    const gate = tokenBucket({ perSecond: 10_000, burst: 1 });
    await Promise.all(
      Array.from({ length: 30 }, async () => {
        await gate(signal);
        await client.has('x', { signal });
        await client.put('x', 'f', 0o644, { signal });
      }),
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
  });

  it('are not sent when it has aborted, also for what is known already', async () => {
    const client = clientOf(await startBuildlet());
    await client.has('x');
    const signal = AbortSignal.abort();
    await expect(client.has('x', { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

it.each([5, null, {}])('an argument of another type is ERR_USAGE: %j', async (value) => {
  const client = clientOf(await startBuildlet());
  const usage = { code: 'ERR_USAGE' };
  const text = value as unknown as string;
  await expect(client.exec(text)).rejects.toMatchObject(usage);
  await expect(client.put('x', text, 0o644)).rejects.toMatchObject(usage);
  await expect(client.exec('true', { args: [text] })).rejects.toMatchObject(usage);
  const timeoutMs = '5' as unknown as number;
  await expect(client.exec('true', { timeoutMs })).rejects.toMatchObject(usage);
});

describe('the fingerprint of a certificate', () => {
  it('is accepted in every spelling', async () => {
    const { certPem } = await newKeyPair();
    const hex = fingerprintOf(certPem);
    const colons = hex.match(/../g)?.join(':') ?? '';
    const base64 = Buffer.from(hex, 'hex').toString('base64');
    for (const text of [
      hex,
      hex.toUpperCase(),
      `sha256:${hex}`,
      `SHA256:${hex.toUpperCase()}`,
      colons,
      colons.toUpperCase(),
      `sha256:${colons}`,
      `sha256 Fingerprint=${colons.toUpperCase()}`,
      base64,
      `SHA256:${base64.replace(/=$/, '')}`,
      ` ${hex}\n`,
    ]) {
      expect(fingerprintDigits(text)).toBe(hex);
      expect(() => pinCheck({ fingerprint: text })).not.toThrow();
    }
  });

  it.each(['', 'x', 'sha256:', 'ab'.repeat(31), 'zz'.repeat(32)])('cannot be %j', (text) => {
    expect(() => pinCheck({ fingerprint: text })).toThrow('not the fingerprint');
  });
});

describe('the code of an error', () => {
  it.each([
    ['ERR_UNKNOWN_BUILDLET', 502, 'ERR_UNKNOWN_BUILDLET'],
    ['ERR_UNKNOWN_TYPE', 400, 'ERR_UNKNOWN_TYPE'],
    ['ERR_NO_SUCH_FILE', 500, 'ERR_NO_SUCH_FILE'],
    ['ERR_PATH', 400, 'ERR_PATH'],
    ['ERR_QUOTA', 429, 'ERR_QUOTA'],
    ['ERR_CLOSED', 500, 'ERR_STATUS'],
    ['ERR_ABORTED', 500, 'ERR_STATUS'],
    ['__proto__', 500, 'ERR_STATUS'],
    ['err_path', 500, 'ERR_STATUS'],
    ['ERR_PATH', 403, 'ERR_UNAUTHORIZED'],
  ])('%s with %d is read as %s', async (told, status, code) => {
    const address = await serveHttp((_request, response) => {
      response.setHeader('X-Gomote-Error-Code', told);
      response.statusCode = status;
      response.end('no');
    });
    const client = new BuildletClient(address);
    onTestFinished(() => client.disconnect());
    await expect(client.workDir()).rejects.toMatchObject({ code, status });
  });

  it('comes from a coordinator, also in the line that ends a create', async () => {
    const coordinator = await startCoordinator({ users: { me: { maximum: 1 } } });
    const calls = coordinator.client('me');
    const unknown = { code: 'ERR_UNKNOWN_TYPE' };
    await expect(calls.createBuildlet('nosuch')).rejects.toMatchObject(unknown);
    const client = await calls.createBuildlet('linux');
    onTestFinished(() => client.disconnect());
    const used = { code: 'ERR_QUOTA' };
    await expect(calls.createBuildlet('linux')).rejects.toMatchObject(used);
    const absent = { code: 'ERR_NO_SUCH_FILE' };
    await expect(client.files.get('absent')).rejects.toMatchObject(absent);
    await expect(all(client.listDir('absent'))).rejects.toMatchObject(absent);
    await expect(client.put('x', '../x', 0o644)).rejects.toMatchObject({ code: 'ERR_PATH' });
    const gone = calls.namedBuildlet('me-linux-9');
    onTestFinished(() => gone.disconnect());
    await expect(gone.status()).rejects.toMatchObject({ code: 'ERR_UNKNOWN_BUILDLET' });
  });

  it('comes from a buildlet of ours', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    mkdirSync(join(buildlet.workDir, 'd'));
    writeFileSync(join(buildlet.workDir, 'f'), '');
    const absent = { code: 'ERR_NO_SUCH_FILE' };
    await expect(client.files.get('absent')).rejects.toMatchObject(absent);
    await expect(all(client.listDir('absent'))).rejects.toMatchObject(absent);
    await expect(client.put('x', '../x', 0o644)).rejects.toMatchObject({ code: 'ERR_PATH' });
    expect(readFileSync(join(buildlet.workDir, 'f'), 'utf8')).toBe('');
  });
});
