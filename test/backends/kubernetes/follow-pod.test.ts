// How long a pod that no node takes is waited for.
import type { V1Pod } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { followPod } from '../../../src/backends/kubernetes/follow-pod.ts';
import type { PodWatch } from '../../../src/backends/kubernetes/pod-watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function follow(scheduleTimeoutMs: number) {
  let change: (pod: V1Pod) => void = () => undefined;
  const watch = {
    listen: (_uid: string, { onChange }: { onChange: (pod: V1Pod) => void }) => {
      change = onChange;
      return () => undefined;
    },
  } as unknown as PodWatch;
  const times = { scheduleTimeoutMs, startTimeoutMs: 600_000 };
  const followed = followPod(watch, { metadata: { name: 'p', uid: 'u' } }, times);
  const unschedulable = (message: string) =>
    change({
      status: {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
      },
    });
  return { ...followed, unschedulable };
}

it.each([
  ['no room fails at once', 'Insufficient cpu', 0, 0],
  ['a volume is waited for', 'pod has unbound immediate PersistentVolumeClaims', 0, 60_000],
  ['a volume is waited for', '1 pod has unbound immediate PersistentVolumeClaims', 90_000, 90_000],
])('%s: %s, schedule-timeout %d ms', async (_what, message, timeoutMs, waitsMs) => {
  const { ended, stop, unschedulable } = follow(timeoutMs);
  unschedulable(`0/1 nodes are available: ${message}.`);
  if (waitsMs > 0) {
    await vi.advanceTimersByTimeAsync(waitsMs - 1);
    expect(ended.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(ended.reason).toMatchObject({
    code: 'ERR_NO_CAPACITY',
    message: expect.stringContaining(message),
  });
  stop();
});
