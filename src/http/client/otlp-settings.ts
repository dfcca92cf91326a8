// The environment variables of OpenTelemetry, as far as traces need them.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { hostname } from 'node:os';
import { GomoteError } from '../../errors.ts';
import { reasonOf } from '../../files/local-error.ts';
import { readVersion } from '../../package-root.ts';
import type { SpanAttributes } from '../../tracing.ts';
import type { OtlpTarget } from './otlp.ts';

/** Where spans go by the environment; undefined: nowhere. Throws ERR_CONFIG for what cannot be. */
export function otlpTarget(
  environment: NodeJS.ProcessEnv,
  service: string,
): OtlpTarget | undefined {
  const read = (name: string) =>
    environment[`OTEL_EXPORTER_OTLP_TRACES_${name}`] || environment[`OTEL_EXPORTER_OTLP_${name}`];
  const given = read('ENDPOINT');
  const isOff =
    environment.OTEL_SDK_DISABLED?.toLowerCase() === 'true' ||
    environment.OTEL_TRACES_EXPORTER === 'none';
  if (!given || isOff) return undefined;
  if (read('PROTOCOL') === 'grpc') {
    throw new GomoteError('ERR_CONFIG', 'OTEL_EXPORTER_OTLP_PROTOCOL is grpc', {
      hint: 'gomote sends traces over HTTP, as a rule to port 4318',
    });
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new GomoteError(
      'ERR_CONFIG',
      'OTEL_EXPORTER_OTLP_ENDPOINT is not a URL of http or https',
    );
  }
  if (!environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
    url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`;
  const caPem = certificatesIn(read('CERTIFICATE'));
  return { url, caPem, headers: headersOf(read('HEADERS')), ...describe(environment, service) };
}

function certificatesIn(file: string | undefined): string | undefined {
  if (!file) return undefined;
  try {
    const pem = readFileSync(file, 'utf8');
    // TLS would ignore a file without certificates, and name none of it.
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    const message = `OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read "${file}": ${reasonOf(error)}`;
    throw new GomoteError('ERR_CONFIG', message, { cause: error });
  }
}

function describe(environment: NodeJS.ProcessEnv, service: string) {
  const version = readVersion();
  const resource: SpanAttributes = {
    ...{ 'service.name': service, 'service.version': version, 'host.name': hostname() },
    ...{ 'telemetry.sdk.language': 'nodejs', 'telemetry.sdk.name': 'gomote' },
    ...pairsOf(environment.OTEL_RESOURCE_ATTRIBUTES),
    ...(environment.OTEL_SERVICE_NAME && { 'service.name': environment.OTEL_SERVICE_NAME }),
  };
  return { resource, version };
}

function headersOf(text: string | undefined): Record<string, string> {
  const headers = pairsOf(text);
  for (const [name, value] of Object.entries(headers)) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      // Values are secrets.
      throw new GomoteError(
        'ERR_CONFIG',
        'OTEL_EXPORTER_OTLP_HEADERS has something that is not a header',
      );
    }
  }
  return headers;
}

/** `key=value,…`, percent-encoded; what is not is left out. */
function pairsOf(text = ''): Record<string, string> {
  const pairs = text.split(',').flatMap((pair) => {
    const at = pair.indexOf('=');
    if (at <= 0) return [];
    try {
      return [[pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())]];
    } catch {
      return [];
    }
  });
  return Object.fromEntries(pairs);
}
