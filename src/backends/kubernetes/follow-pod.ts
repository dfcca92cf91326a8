// Follows a starting pod: when it runs, or why it cannot start or has stopped.
import type { V1Pod } from '@kubernetes/client-node';
import { type ErrorCode, GomoteError, PlatformError } from '../../errors.ts';
import { type LongTimer, longTimer } from '../../timeout-signal.ts';
import { type PodState, stateOf } from './pod-state.ts';
import type { PodWatch } from './pod-watch.ts';

/** How long the cluster may take to make an empty volume, in ms. */
const emptyVolumeMs = 60_000;

export interface FollowOptions {
  /** How long it may wait for a node, in ms; 0: not at all. */
  readonly scheduleTimeoutMs: number;
  /** How long it may take to run, in ms: what its image takes to be pulled is in it. */
  readonly startTimeoutMs: number;
  /** How long the cluster may take to make a volume, in ms. Default: a minute, for an empty one. */
  readonly volumeTimeoutMs?: number | undefined;
}

interface FollowedPod {
  /** Its address, once it runs. */
  readonly ip: Promise<string>;
  /** Aborts when it has ended or cannot start; the reason says why. */
  readonly ended: AbortSignal;
  stop(): void;
}

export function followPod(watch: PodWatch, pod: V1Pod, options: FollowOptions): FollowedPod {
  const { name = '', uid = '' } = pod.metadata ?? {};
  const end = new AbortController();
  let last: PodState = { kind: 'pending' };
  let scheduling: LongTimer | undefined;
  let onRunning: (ip: string) => void = () => undefined;
  const ip = new Promise<string>((resolve, reject) => {
    onRunning = resolve;
    end.signal.addEventListener('abort', () => reject(end.signal.reason), { once: true });
  });
  // It may fail before anybody waits for it.
  ip.catch(() => undefined);
  const fail = (code: ErrorCode, reason: string, message: string, hint?: string) =>
    end.abort(new PlatformError(code, reason, `pod ${name}: ${message}`, { hint }));
  const noRoom = (reason: string, message: string) =>
    fail(
      'ERR_NO_CAPACITY',
      reason,
      `it cannot be scheduled: ${message}`,
      'ask for less in the host type, or let it wait with schedule-timeout',
    );
  const starting = longTimer(() => {
    const seconds = options.startTimeoutMs / 1_000;
    end.abort(new GomoteError('ERR_TIMEOUT', `pod ${name}: it is not running after ${seconds} s`));
  }, options.startTimeoutMs);
  const onChange = (changed: V1Pod | undefined) => {
    last = changed === undefined ? gone : stateOf(changed);
    if (last.kind !== 'unschedulable') {
      scheduling?.clear();
      scheduling = undefined;
    }
    if (last.kind === 'running') {
      starting.clear();
      onRunning(last.ip);
    } else if (last.kind === 'ended') {
      fail('ERR_MACHINE', last.reason, `${last.reason}: ${last.message}`);
    } else if (last.kind === 'unschedulable') {
      const { reason, message } = last;
      // A claim of its own is created after the pod.
      const isVolume =
        /unbound immediate PersistentVolumeClaim|persistentvolumeclaim ".*" not found/.test(
          message,
        );
      const volumeMs = isVolume ? (options.volumeTimeoutMs ?? emptyVolumeMs) : 0;
      const waitMs = Math.max(options.scheduleTimeoutMs, volumeMs);
      if (waitMs === 0) noRoom(reason, message);
      else scheduling ??= longTimer(() => noRoom(reason, message), waitMs);
    }
  };
  const stopListening = watch.listen(uid, { onChange, onError: (error) => end.abort(error) });
  return {
    ip,
    ended: end.signal,
    stop: () => {
      starting.clear();
      scheduling?.clear();
      stopListening();
    },
  };
}

const gone: PodState = { kind: 'ended', reason: 'Deleted', message: 'it was deleted' };
