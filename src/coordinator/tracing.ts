// Traces of a coordinator: what it relays, and the machines that it makes.
import { messageOf } from '../errors.ts';
import { otlpTarget } from '../http/client/otlp-settings.ts';
import { TraceRecorder } from '../http/client/trace-recorder.ts';
import { useTracer } from '../tracing.ts';
import type { Log } from './log.ts';

/** How long the end of the program may wait for the collector, in ms. */
const flushMs = 2_000;

/** Begins to trace if the environment says where to; call what it gives at the end. Throws ERR_CONFIG. */
export function startTracing(environment: NodeJS.ProcessEnv, log: Log): () => Promise<void> {
  const target = otlpTarget(environment, 'gomote-coordinator');
  const recorder = new TraceRecorder({
    target,
    onTrouble: (error) => log.write('trouble', { what: `no trace was sent: ${messageOf(error)}` }),
  });
  if (target !== undefined) useTracer(recorder);
  return () => recorder.flush(flushMs);
}
