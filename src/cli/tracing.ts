// Traces of one command line.
import { messageOf } from '../errors.ts';
import { otlpTarget } from '../http/client/otlp-settings.ts';
import { TraceRecorder } from '../http/client/trace-recorder.ts';
import { inSpan, parseTraceparent, useTracer } from '../tracing.ts';
import { commands } from './command-table.ts';
import type { Context } from './context.ts';

const flushMs = 2_000;

/** Does the work, which gives the exit status, in a span of its own. */
export async function traced(
  argv: readonly string[],
  { terminal, messages }: Context,
  work: () => Promise<number>,
): Promise<number> {
  const { environment } = terminal;
  const warn = (error: unknown) => messages.remark(`no trace was sent: ${messageOf(error)}`);
  const recorder = new TraceRecorder({
    target: targetOf(environment, warn),
    parent: parseTraceparent(environment.TRACEPARENT, environment.TRACESTATE),
    onTrouble: warn,
  });
  useTracer(recorder);
  try {
    // Other words may be anything.
    const command = argv.find((word) => commands.some(({ name }) => name === word));
    return await inSpan(`gomote ${command ?? ''}`.trim(), {}, async (set) => {
      const code = await work();
      set({ 'process.exit.code': code });
      return code;
    });
  } finally {
    await recorder.flush(flushMs);
    useTracer(undefined);
  }
}

function targetOf(environment: NodeJS.ProcessEnv, warn: (error: unknown) => void) {
  try {
    return otlpTarget(environment, 'gomote');
  } catch (error) {
    warn(error);
    return undefined;
  }
}
