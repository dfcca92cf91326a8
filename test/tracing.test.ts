import { describe, expect, it } from 'vitest';
import { otlpTarget } from '../src/http/client/otlp-settings.ts';
import { parseTraceparent } from '../src/tracing.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';

describe('a traceparent', () => {
  it.each<[string, boolean]>([
    [`00-${trace}-${span}-01`, true],
    [`00-${trace}-${span}-00`, false],
    [`cc-${trace}-${span}-09-what-will-be`, true],
  ])('is read: %s', (text, isSampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId: trace, spanId: span, isSampled });
  });

  it.each([
    '',
    'x',
    `00-${trace}-${span}`,
    `00-${trace}-${span}-01-more`,
    `ff-${trace}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${trace}-${span}-01\n`,
    `00-${trace}-${span}-01\nX: y`,
    ` 00-${trace}-${span}-01`,
    `cc-${trace}-${span}-01-${'a'.repeat(1_000)}`,
  ])('is ignored: %j', (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  it.each<[string, boolean]>([
    ['rojo=00f067aa0ba902b7', true],
    ['rojo=1,congo@x=t61,a/b=2 3', true],
    ['', false],
    ['x', false],
    ['a=b\nc=d', false],
    ['a=\x1b', false],
    [`a=${'b'.repeat(600)}`, false],
    [Array.from({ length: 40 }, (_, i) => `a${i}=b`).join(','), false],
  ])('has the state %j: %j', (state, isTaken) => {
    const read = parseTraceparent(`00-${trace}-${span}-01`, state);
    expect(read?.state).toBe(isTaken ? state : undefined);
  });
});

describe('the variables of OpenTelemetry', () => {
  const endpoint = 'OTEL_EXPORTER_OTLP_ENDPOINT';
  const own = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';

  it.each<[Record<string, string>, string | undefined]>([
    [{}, undefined],
    [{ [endpoint]: '' }, undefined],
    [{ [endpoint]: 'http://c:4318' }, 'http://c:4318/v1/traces'],
    [{ [endpoint]: 'https://c/base/' }, 'https://c/base/v1/traces'],
    [{ [endpoint]: 'http://c:4318', [own]: 'http://d/x' }, 'http://d/x'],
    [{ [endpoint]: 'http://c:4318', OTEL_SDK_DISABLED: 'True' }, undefined],
    [{ [endpoint]: 'http://c:4318', OTEL_TRACES_EXPORTER: 'none' }, undefined],
  ])('send spans with %j to %s', (environment, url) => {
    expect(otlpTarget(environment, 's')?.url.href).toBe(url);
  });

  it('name the service, its attributes and the headers', () => {
    const target = otlpTarget(
      {
        [endpoint]: 'http://c',
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20eDp5, x-a=1',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=ci,team=a%2Cb,service.name=no,odd',
        OTEL_SERVICE_NAME: 'mine',
      },
      'gomote',
    );
    expect(target?.headers).toEqual({ authorization: 'Basic eDp5', 'x-a': '1' });
    expect(target?.resource).toMatchObject({
      ...{ 'service.name': 'mine', 'deployment.environment': 'ci', team: 'a,b' },
    });
  });

  it.each([
    [{ [endpoint]: 'not a url' }],
    [{ [endpoint]: 'file:///etc/passwd' }],
    [{ [endpoint]: 'http://c', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }],
    [{ [endpoint]: 'http://c', OTEL_EXPORTER_OTLP_HEADERS: 'a=secret%0d%0ab' }],
    [{ [endpoint]: 'http://c', OTEL_EXPORTER_OTLP_HEADERS: 'a b=secret' }],
  ])('are refused, and no value of a header is shown: %j', (environment) => {
    const failure = { code: 'ERR_CONFIG', message: expect.not.stringContaining('secret') };
    expect(() => otlpTarget(environment, 's')).toThrow(expect.objectContaining(failure));
  });
});
