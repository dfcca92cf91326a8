// Traces as a collector gets them.
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import * as v from 'valibot';
import { describe, expect, it, onTestFinished } from 'vitest';
import { otlpTarget } from '../../src/http/client/otlp-settings.ts';
import { TraceRecorder } from '../../src/http/client/trace-recorder.ts';
import { newCertificate } from '../../src/http/server/new-certificate.ts';
import type { TlsIdentity } from '../../src/http/server/server.ts';
import { inSpan, useTracer } from '../../src/tracing.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { ending, workshop } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentId}-01`;

const toml = [
  ...['[pools.here]', 'kind = "local"', 'isolation = "none"', 'host = "host-local"', 'maximum = 1'],
].join('\n');

const id = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));
const nanoseconds = v.pipe(v.string(), v.regex(/^[0-9]{19}$/));
const attributes = v.array(
  v.strictObject({
    key: v.string(),
    value: v.union([
      v.strictObject({ stringValue: v.string() }),
      v.strictObject({ boolValue: v.boolean() }),
      v.strictObject({ intValue: v.pipe(v.string(), v.regex(/^-?[0-9]+$/)) }),
      v.strictObject({ doubleValue: v.number() }),
    ]),
  }),
);
const span = v.strictObject({
  ...{ traceId: id(32), spanId: id(16), parentSpanId: v.optional(id(16)) },
  ...{ traceState: v.optional(v.string()), name: v.pipe(v.string(), v.minLength(1)) },
  ...{ kind: v.picklist([1, 2]), startTimeUnixNano: nanoseconds, endTimeUnixNano: nanoseconds },
  ...{ attributes, status: v.strictObject({ code: v.optional(v.picklist([1, 2])) }) },
});
/** ExportTraceServiceRequest of opentelemetry-proto, in JSON: what it does not have is refused. */
const exported = v.strictObject({
  resourceSpans: v.array(
    v.strictObject({
      resource: v.strictObject({ attributes }),
      scopeSpans: v.array(
        v.strictObject({
          scope: v.strictObject({ name: v.string(), version: v.string() }),
          spans: v.array(span),
        }),
      ),
    }),
  ),
});

type Span = v.InferOutput<typeof span>;

async function listening(answer: RequestListener, identity?: TlsIdentity): Promise<string> {
  const { certPem: cert, keyPem: key } = identity ?? {};
  const made = identity ? createTlsServer({ cert, key }, answer) : createServer(answer);
  const server = made.listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return `${identity ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function startCollector(identity?: TlsIdentity) {
  const spans: Span[] = [];
  const texts: string[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const faults: unknown[] = [];
  const url = await listening(async (request, response) => {
    const body = await json(request);
    texts.push(JSON.stringify(body));
    headers.push(request.headers);
    const result = v.safeParse(exported, body);
    if (!result.success) faults.push(result.issues);
    else
      for (const { scopeSpans } of result.output.resourceSpans)
        for (const scope of scopeSpans) spans.push(...scope.spans);
    response.end('{}');
  }, identity);
  const named = (name: string) => spans.filter((one) => one.name === name);
  const recorder = () =>
    new TraceRecorder({
      target: otlpTarget({ OTEL_EXPORTER_OTLP_ENDPOINT: url }, 'test'),
      onTrouble: (error) => faults.push(error),
    });
  return { url, spans, named, recorder, texts, headers, faults };
}

function traced(url: string | undefined, more: NodeJS.ProcessEnv = {}) {
  const shop = workshop();
  const environment = { ...shop.environment, OTEL_EXPORTER_OTLP_ENDPOINT: url, ...more };
  const gomote = (...args: string[]) => ending(shop.start('gomote', args, { env: environment }));
  return { shop, gomote };
}

const attributeOf = ({ attributes: all }: Span | undefined = {} as Span, key: string) =>
  Object.values(all?.find((one) => one.key === key)?.value ?? {})[0];

describe('gomote with OTEL_EXPORTER_OTLP_ENDPOINT', () => {
  it('sends a span for a run, below that of TRACEPARENT, and gives the command that of the run', async () => {
    const collector = await startCollector();
    const { gomote, shop } = traced(collector.url, {
      ...{ TRACEPARENT: traceparent, TRACESTATE: 'a=1' },
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=hunter2',
    });
    const name = await shop.create();
    const script = 'echo $TRACEPARENT $TRACESTATE; exit 3';
    const result = await gomote('run', '-e', 'SECRET=hunter2', name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 3, stderr: '' });
    expect(collector.faults).toEqual([]);
    const [root] = collector.named('gomote run');
    const [run] = collector.named('run');
    expect(root).toMatchObject({ traceId, parentSpanId: parentId, traceState: 'a=1' });
    expect(run).toMatchObject({ traceId, parentSpanId: root?.spanId, status: { code: 2 } });
    expect(attributeOf(run, 'process.exit.code')).toBe('3');
    expect(attributeOf(run, 'gomote.buildlet')).toBe(name);
    expect(result.stdout.toString()).toBe(`00-${traceId}-${run?.spanId}-01 a=1\n`);
    expect(collector.headers[0]).toMatchObject({
      'x-key': 'hunter2',
      'content-type': 'application/json',
    });
    expect(collector.texts.join()).not.toContain('hunter2');
    expect(collector.texts.join()).not.toContain('echo');
  });

  it('sends one trace of everything that once does', async () => {
    const collector = await startCollector();
    const { gomote } = traced(collector.url);
    const words = ['--get', 'made', 'local', '--', 'sh', '-c', 'echo x >made'];
    expect(await gomote('once', ...words)).toMatchObject({ code: 0 });
    const [root] = collector.named('gomote once');
    expect(root?.parentSpanId).toBeUndefined();
    for (const name of ['create', 'push', 'run', 'fetch']) {
      const [one] = collector.named(name);
      expect({ name, one }).toMatchObject({
        one: { traceId: root?.traceId, parentSpanId: root?.spanId },
      });
    }
  });

  it('joins what the coordinator does to the trace of the client', async () => {
    const collector = await startCollector();
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    const coordinator = new CoordinatorProcess({ toml, environment });
    await coordinator.start();
    const recorder = collector.recorder();
    useTracer(recorder);
    onTestFinished(() => useTracer(undefined));
    await inSpan('client', {}, async () => {
      const buildlet = await coordinator.client().createBuildlet('local');
      await buildlet.exec('true', { systemLevel: true });
      // Its machine would outlive the coordinator.
      await buildlet.halt();
    });
    await recorder.flush(10_000);
    coordinator.signal('SIGTERM');
    await expect
      .poll(() => collector.named('relay').length, { timeout: 30_000 })
      .toBeGreaterThan(0);
    const [client] = collector.named('client');
    const joined = { traceId: client?.traceId, parentSpanId: client?.spanId, kind: 2 };
    expect(collector.named('machine')[0]).toMatchObject(joined);
    const exec = collector.named('relay').find((one) => attributeOf(one, 'url.path') === '/exec');
    expect(exec).toMatchObject(joined);
    expect(collector.faults).toEqual([]);
  });

  it('sends one trace from the command line through the coordinator to the command', async () => {
    const collector = await startCollector();
    const { gomote, shop } = traced(collector.url);
    const { url, fingerprint } = await startCoordinator();
    const recorder = collector.recorder();
    const token = join(shop.directory, 'token');
    writeFileSync(token, tokenOf('me'), { mode: 0o600 });
    const login = ['login', url, '--user', 'me', '--token-file', token];
    const logged = await gomote(...login, '--fingerprint', fingerprint);
    expect(logged).toMatchObject({ code: 0 });
    useTracer(recorder);
    onTestFinished(() => useTracer(undefined));
    const result = await gomote(
      'once',
      '--no-push',
      'linux',
      '--',
      'sh',
      '-c',
      'echo $TRACEPARENT',
    );
    expect(result).toMatchObject({ code: 0 });
    await recorder.flush(10_000);
    const [root] = collector.named('gomote once');
    const [create] = collector.named('create');
    const [run] = collector.named('run');
    const below = (parent: Span | undefined) => ({
      traceId: root?.traceId,
      parentSpanId: parent?.spanId,
    });
    expect([create, run]).toMatchObject([below(root), below(root)]);
    expect(collector.named('machine')).toMatchObject([below(create)]);
    const relays = collector.named('relay').map((one) => one.parentSpanId);
    expect(relays).toContain(run?.spanId);
    expect(result.stdout.toString()).toBe(`00-${root?.traceId}-${run?.spanId}-01\n`);
    const others = collector.spans.filter(({ traceId }) => traceId !== root?.traceId);
    expect(others.map((one) => one.name)).toEqual(['gomote login']);
    expect(collector.faults).toEqual([]);
  });

  it.each<[string, RequestListener | undefined]>([
    ['is not there', undefined],
    ['refuses', (_request, response) => response.writeHead(400).end()],
    ['is busy for ever', (_request, response) => response.writeHead(503).end()],
    ['never answers', () => undefined],
    ['answers nonsense', (request) => request.socket.end('nonsense\r\n\r\n')],
    ['redirects', (_request, response) => response.writeHead(302, { Location: '/' }).end()],
  ])('ends as without it, with one warning, when the collector %s', async (_, answer) => {
    const url = answer === undefined ? 'http://127.0.0.1:1' : await listening(answer);
    const { gomote, shop } = traced(url);
    const result = await gomote('run', await shop.create(), 'sh', '-c', 'echo out; exit 4');
    expect(result.code).toBe(4);
    expect(result.stdout.toString()).toBe('out\n');
    expect(result.stderr.match(/^gomote: no trace was sent: .*\n$/)).not.toBeNull();
  });
});

describe('a collector of https', async () => {
  const identity = await newCertificate('collector', []);
  const { certPem: otherPem } = await newCertificate('another', []);

  it.each([
    'OTEL_EXPORTER_OTLP_CERTIFICATE',
    'OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE',
    'NODE_EXTRA_CA_CERTS',
  ])('gets the spans when %s names its certificate', async (variable) => {
    const collector = await startCollector(identity);
    const file = join(temporaryDirectory(), 'ca.pem');
    writeFileSync(file, identity.certPem);
    const { gomote } = traced(collector.url, { [variable]: file });
    expect(await gomote('list')).toMatchObject({ code: 0, stderr: '' });
    expect(collector.named('gomote list')).toHaveLength(1);
  });

  it.each<[string, string | undefined, RegExp]>([
    ['nothing names its certificate', undefined, /self-signed certificate/],
    ['the file is not there', '', /cannot read ".*ca\.pem": no such file/],
    ['the file has no certificate', 'nonsense', /cannot read ".*ca\.pem": /],
    ['the file has another certificate', otherPem, /certificate/],
  ])('gets none, and the command continues, when %s', async (_, text, words) => {
    const collector = await startCollector(identity);
    const file = join(temporaryDirectory(), 'ca.pem');
    if (text) writeFileSync(file, text);
    const OTEL_EXPORTER_OTLP_CERTIFICATE = text === undefined ? '' : file;
    const { gomote } = traced(collector.url, { OTEL_EXPORTER_OTLP_CERTIFICATE });
    const { code, stderr } = await gomote('list');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^gomote: no trace was sent: .*\n$/);
    expect(stderr).toMatch(words);
    expect(collector.spans).toEqual([]);
  });
});

describe('gomote without OTEL_EXPORTER_OTLP_ENDPOINT', () => {
  it.each<[string, NodeJS.ProcessEnv, string]>([
    [
      'passes TRACEPARENT on to the command',
      { TRACEPARENT: traceparent, TRACESTATE: 'a=1' },
      `${traceparent} a=1\n`,
    ],
    ['leaves out one that is none', { TRACEPARENT: 'x; rm -rf /', TRACESTATE: 'a=1' }, '\n'],
    ['has none by itself', {}, '\n'],
  ])('records nothing: %s', async (_, environment, wanted) => {
    const { gomote, shop } = traced(undefined, environment);
    const result = await gomote(
      'run',
      await shop.create(),
      'sh',
      '-c',
      'echo $TRACEPARENT $TRACESTATE',
    );
    expect(result.stdout.toString()).toBe(wanted);
  });

  it('passes on the TRACEPARENT that the user gives the command', async () => {
    const { gomote, shop } = traced(undefined, { TRACEPARENT: traceparent });
    const words = ['-e', 'TRACEPARENT=mine', await shop.create(), 'sh', '-c', 'echo $TRACEPARENT'];
    expect((await gomote('run', ...words)).stdout.toString()).toBe('mine\n');
  });
});
