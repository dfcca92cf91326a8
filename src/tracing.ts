// Traces (OpenTelemetry): which span the work at hand belongs to, and how that is written (W3C Trace Context). What records
// spans is loaded only by a program that is told to trace.

export interface SpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether the trace is recorded. */
  readonly isSampled: boolean;
  /** What other systems add, as TRACESTATE has it. */
  readonly state?: string | undefined;
}

/** Of a span: never anything secret, nor arguments of commands. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  readonly attributes?: SpanAttributes | undefined;
  /** Default: the span that is current, if there is one. */
  readonly parent?: SpanContext | undefined;
  /** Whether it serves a request from elsewhere. */
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

/** From here on spans go to this tracer; undefined: nowhere. */
export function useTracer(next: Tracer | undefined): void {
  tracer = next;
}

/** Does the work in a span of its own; one that throws has failed. */
export const inSpan = <T>(
  name: string,
  options: SpanOptions,
  work: (set: SetAttributes) => Promise<T>,
): Promise<T> => (tracer === undefined ? work(ignore) : tracer.inSpan(name, options, work));

const ignore = (): void => undefined;

/** The current span for a request or a command; undefined when there is none. */
export function currentTraceparent(): string | undefined {
  const current = tracer?.current;
  return current && `00-${current.traceId}-${current.spanId}-${current.isSampled ? '01' : '00'}`;
}

/** The current span as variables of a command. */
export function traceVariables(): string[] {
  const traceparent = currentTraceparent();
  if (traceparent === undefined) return [];
  const state = tracer?.current?.state;
  return [`TRACEPARENT=${traceparent}`, ...(state === undefined ? [] : [`TRACESTATE=${state}`])];
}

/** Reads `traceparent` and `tracestate`; undefined when the first is not valid. A state that is not is left out. */
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

/** A list of members as W3C Trace Context has them. */
function isState(text: string): boolean {
  const members = text.split(',');
  return (
    text.length <= 512 &&
    members.length <= 32 &&
    members.every((member) => /^ *[a-z0-9][!-+\--<>-~]*=[ -+\--<>-~]+$/.test(member))
  );
}
