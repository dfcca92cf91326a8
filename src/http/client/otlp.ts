// Sends spans to a collector, as OTLP has them in JSON over HTTP.
import { GomoteError } from '../../errors.ts';
import type { SpanAttributes } from '../../tracing.ts';
import { HttpClient } from './request.ts';

export interface FinishedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly state: string | undefined;
  readonly name: string;
  readonly isServer: boolean;
  /** In ms since 1970. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly hasFailed: boolean;
  readonly attributes: SpanAttributes;
}

/** Where spans go, and what they say of this program. */
export interface OtlpTarget {
  readonly url: URL;
  /** Certificates of authorities (PEM) in place of the system's. */
  readonly caPem: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** `service.name` and the like. */
  readonly resource: SpanAttributes;
  readonly version: string;
}

/** How a collector that is busy is tried again, in ms. */
const retryMs = 200;

const busy = [429, 502, 503, 504];

/** Sends them; throws what keeps the collector from taking them. */
export async function sendSpans(
  target: OtlpTarget,
  spans: readonly FinishedSpan[],
  signal: AbortSignal,
): Promise<void> {
  const { url, caPem } = target;
  const client = new HttpClient({ kind: 'tcp', origin: url.origin, caPem });
  try {
    for (;;) {
      const { statusCode, body } = await client.send({
        method: 'POST',
        path: `${url.pathname}${url.search}`,
        headers: { ...target.headers, 'Content-Type': 'application/json' },
        body: JSON.stringify(requestOf(target, spans)),
        signal,
      });
      body.on('error', () => undefined).resume();
      if (statusCode >= 200 && statusCode < 300) return;
      if (!busy.includes(statusCode))
        throw new GomoteError('ERR_STATUS', `the collector answers ${statusCode}`);
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      signal.throwIfAborted();
    }
  } finally {
    client.destroy();
  }
}

const kinds = { internal: 1, server: 2 };
const failed = 2;

export const requestOf = (
  { resource, version }: Pick<OtlpTarget, 'resource' | 'version'>,
  spans: readonly FinishedSpan[],
): object => ({
  resourceSpans: [
    {
      resource: { attributes: attributesOf(resource) },
      scopeSpans: [{ scope: { name: 'gomote', version }, spans: spans.map(spanOf) }],
    },
  ],
});

const spanOf = (span: FinishedSpan): object => ({
  ...{ traceId: span.traceId, spanId: span.spanId },
  ...(span.parentSpanId !== undefined && { parentSpanId: span.parentSpanId }),
  ...(span.state !== undefined && { traceState: span.state }),
  name: span.name,
  kind: span.isServer ? kinds.server : kinds.internal,
  startTimeUnixNano: nanoseconds(span.startedAtMs),
  endTimeUnixNano: nanoseconds(span.endedAtMs),
  attributes: attributesOf(span.attributes),
  status: span.hasFailed ? { code: failed } : {},
});

const nanoseconds = (ms: number): string => (BigInt(Math.round(ms * 1_000)) * 1_000n).toString();

const attributesOf = (attributes: SpanAttributes): object[] =>
  Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: anyValue(value) }],
  );

function anyValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value.toWellFormed() };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
