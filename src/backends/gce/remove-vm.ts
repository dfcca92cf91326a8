// Undoes the creation of a machine, at whatever point it failed.
import { setTimeout as sleep } from 'node:timers/promises';
import { GomoteError, messageOf, PlatformError } from '../../errors.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { ComputeApi, VmOperation } from './compute.ts';
import { isNotFound } from './errors.ts';
import { metadataKeys, metadataOf } from './vm.ts';

interface Failed {
  readonly zone: string;
  readonly name: string;
  /** The operation that creates the machine. */
  readonly operation: VmOperation;
  /** Why it must be removed. */
  readonly error: unknown;
}

/** The time limit for undoing, in ms. */
const removeTimeoutMs = 60_000;

/** How long to look for a machine that may exist, in ms. */
const lookTimeoutMs = 20_000;

const pauseMs = 500;

/** Deletes the machine that the operation has created or is creating. Returns the error to throw. */
export async function removeVm(api: ComputeApi, failed: Failed): Promise<unknown> {
  const { zone, name, error } = failed;
  // The caller's signal may have aborted: continue without it.
  const signal = timeoutSignal(removeTimeoutMs);
  try {
    await deleteIfPresent(api, failed, signal);
    return error;
  } catch (cause) {
    const message = `${messageOf(error)}; and ${name} in ${zone} may be left: ${messageOf(cause)}`;
    return new GomoteError(error instanceof GomoteError ? error.code : 'ERR_ABORTED', message, {
      hint: 'it ends at its time; see gomote list, or gomote reap',
      cause: error,
    });
  }
}

async function deleteIfPresent(
  api: ComputeApi,
  { zone, name, operation }: Failed,
  signal: AbortSignal,
): Promise<void> {
  for (let isMade = false; ; ) {
    try {
      await api.delete(zone, name, { signal });
      return;
    } catch (error) {
      if (isMade && isNotFound(error)) return;
      if (!isNotFound(error) && !isNotReady(error)) throw error;
      if (isMade) await sleep(pauseMs, undefined, { signal });
    }
    // It is still being created: it does not exist yet, or cannot be deleted yet. The outcome does not matter.
    const call = { signal, timeoutMs: removeTimeoutMs };
    await api.waitFor(`${name} is being made`, zone, operation, call).catch(() => undefined);
    signal.throwIfAborted();
    isMade = true;
  }
}

/** Deletes the machine of a request without an answer, if it exists, as far as possible. */
export async function removeVmOf(
  api: ComputeApi,
  { zone, name, requestId }: { zone: string; name: string; requestId: string },
): Promise<void> {
  const signal = timeoutSignal(lookTimeoutMs);
  try {
    const instance = await api.get(zone, name, { signal });
    // Another machine may have that name.
    if (metadataOf(instance).get(metadataKeys.request) !== requestId) return;
    await api.delete(zone, name, { signal });
  } catch {
    // The API does not answer, or the machine does not exist.
  }
}

const isNotReady = (error: unknown): boolean =>
  error instanceof PlatformError && /^(resourceNotReady|RESOURCE_NOT_READY)$/.test(error.reason);
