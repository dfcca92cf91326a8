// Waits for the buildlet on a new machine, and notices when the machine ends meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { timeLimitMs } from '../../client/time-limit.ts';
import { type GomoteError, isGomoteError, PlatformError } from '../../errors.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { waitUntilReady } from '../wait-until-ready.ts';
import type { ComputeApi } from './compute.ts';
import { isNotFound } from './errors.ts';
import type { StartVmOptions } from './options.ts';

interface ProbeOptions
  extends Pick<StartVmOptions, 'probeTimeoutMs' | 'onBeginBuildletProbe' | 'onEndBuildletProbe'> {
  readonly zone: string;
  readonly name: string;
  readonly signal: AbortSignal;
}

const defaultProbeTimeoutMs = 300_000;

/** How often to check a machine whose buildlet does not answer yet, in ms. */
const lookIntervalMs = 15_000;

/** How much of the machine's log an error message contains. */
const logLines = 3;

const logTimeoutMs = 10_000;

/** Resolves once the buildlet answers; the client is disconnected if it never does. */
export async function probeVm(
  api: ComputeApi,
  client: BuildletClient,
  options: ProbeOptions,
): Promise<void> {
  const { signal } = options;
  const probeTimeoutMs =
    timeLimitMs('probeTimeoutMs', options.probeTimeoutMs ?? defaultProbeTimeoutMs) ?? Infinity;
  const over = new AbortController();
  const either = anySignal(signal, over.signal);
  const answering = waitUntilReady(client, {
    signal: either,
    timeoutMs: probeTimeoutMs,
    onBeginTry: () => options.onBeginBuildletProbe?.(client.url),
    onEndTry: (error) => options.onEndBuildletProbe?.(error),
  });
  const ending = untilEnded(api, options, Math.min(lookIntervalMs, probeTimeoutMs / 4), either);
  try {
    await Promise.race([answering, ending]);
  } catch (error) {
    await client.disconnect();
    signal.throwIfAborted();
    throw isGomoteError(error, 'ERR_MACHINE') ? await withLog(api, options, error) : error;
  } finally {
    over.abort();
    await Promise.allSettled([answering, ending]);
  }
}

/** Rejects when the machine has ended. A failed check is ignored. */
async function untilEnded(
  api: ComputeApi,
  { zone, name }: ProbeOptions,
  intervalMs: number,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await sleep(intervalMs, undefined, { signal });
    const status = await api.get(zone, name, { signal }).then(
      (instance) => instance.status ?? '',
      (error: unknown) => (isNotFound(error) ? 'DELETED' : ''),
    );
    signal.throwIfAborted();
    if (/^(STOPPING|STOPPED|SUSPENDING|SUSPENDED|TERMINATED|DELETED)$/.test(status)) {
      const message = `${name} ended before its buildlet answered: it is ${status.toLowerCase()}`;
      throw new PlatformError('ERR_MACHINE', status, message);
    }
  }
}

/** The failure with the end of the machine's serial output, if available. */
async function withLog(
  api: ComputeApi,
  { zone, name }: ProbeOptions,
  error: GomoteError,
): Promise<GomoteError> {
  const call = { signal: timeoutSignal(logTimeoutMs) };
  const log = await api.serialOutput(zone, name, call).catch(() => '');
  const last = log.trimEnd().split(/\r?\n/).slice(-logLines).join(' / ');
  if (last === '') return error;
  const reason = error instanceof PlatformError ? error.reason : '';
  const hint = `the end of its log: ${last}`;
  return new PlatformError(error.code, reason, error.message, { hint, cause: error });
}
