// Traces (OpenTelemetry): the current span, and its text form (W3C Trace Context). The recorder of
// spans is loaded only when tracing is on.

export interface SpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether the trace is recorded. */
  readonly isSampled: boolean;
  /** Vendor data, as in `tracestate`. */
  readonly state?: string | undefined;
}

/** Attributes of a span: never a secret, nor arguments of commands. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  readonly attributes?: SpanAttributes | undefined;
  /** Default: the current span, if there is one. */
  readonly parent?: SpanContext | undefined;
  /** Whether it handles a request from another process. */
  readonly isServer?: boolean | undefined;
}

/** Adds attributes to a span. */
export type SetAttributes = (more: SpanAttributes) => void;

export interface Tracer {
  readonly current: SpanContext | undefined;
  inSpan<T>(
    name: string,
    options: SpanOptions,
    work: (set: SetAttributes) => Promise<T>,
  ): Promise<T>;
}

let tracer: Tracer | undefined;

/** Sends all later spans to this tracer; undefined: records none. */
export function useTracer(next: Tracer | undefined): void {
  tracer = next;
}

/** Runs `work` in its own span, which has failed if `work` throws. */
export const inSpan = <T>(
  name: string,
  options: SpanOptions,
  work: (set: SetAttributes) => Promise<T>,
): Promise<T> => (tracer === undefined ? work(ignore) : tracer.inSpan(name, options, work));

const ignore = (): void => undefined;

/** The current span as `traceparent` and `tracestate`; undefined when there is none. */
export function currentTraceparent(): string | undefined {
  const current = tracer?.current;
  return current && `00-${current.traceId}-${current.spanId}-${current.isSampled ? '01' : '00'}`;
}

/** The current span as environment variables of a command. */
export function traceVariables(): string[] {
  const traceparent = currentTraceparent();
  if (traceparent === undefined) return [];
  const state = tracer?.current?.state;
  return [`TRACEPARENT=${traceparent}`, ...(state === undefined ? [] : [`TRACESTATE=${state}`])];
}

/** Parses `traceparent` and `tracestate`; undefined when the first is invalid. An invalid state is ignored. */
export function parseTraceparent(text = '', state = ''): SpanContext | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?$/.exec(
    text.length <= 512 ? text : '',
  );
  if (match === null) return undefined;
  const [, version, traceId = '', spanId = '', flags = '', rest] = match;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const isSampled = (Number.parseInt(flags, 16) & 1) === 1;
  return { traceId, spanId, isSampled, ...(isState(state) && { state }) };
}

/** A list of members as defined by W3C Trace Context. */
function isState(text: string): boolean {
  const members = text.split(',');
  return (
    text.length <= 512 &&
    members.length <= 32 &&
    members.every((member) => /^ *[a-z0-9][!-+\--<>-~]*=[ -+\--<>-~]+$/.test(member))
  );
}
