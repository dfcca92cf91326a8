import type { V1ContainerState, V1PodStatus } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { stateOf } from '../../../src/backends/kubernetes/pod-state.ts';

const container = (state: V1ContainerState) => ({
  containerStatuses: [
    ...[{ name: 'helper', image: '', imageID: '', ready: true, restartCount: 0, state: {} }],
    ...[{ name: 'buildlet', image: '', imageID: '', ready: true, restartCount: 0, state }],
  ],
});
const waiting = (reason: string, message = 'why'): V1PodStatus => ({
  phase: 'Pending',
  ...container({ waiting: { reason, message } }),
});
const pending = { kind: 'pending' };
const ended = (reason: string, message: string) => ({ kind: 'ended', reason, message });

const rows: [string, V1PodStatus, object][] = [
  ['nothing known yet', { phase: 'Pending' }, pending],
  ['a container being made', waiting('ContainerCreating'), pending],
  [
    'its Secret not there yet',
    waiting('CreateContainerConfigError', 'secret "x" not found'),
    pending,
  ],
  [
    'a kubelet that is busy',
    waiting('CreateContainerConfigError', 'failed to sync secret cache: timed out'),
    pending,
  ],
  [
    'a broken configuration',
    waiting('CreateContainerConfigError'),
    ended('CreateContainerConfigError', 'why'),
  ],
  ['no image', waiting('ErrImagePull'), ended('ErrImagePull', 'why')],
  ['a bad name', waiting('InvalidImageName'), ended('InvalidImageName', 'why')],
  [
    'no room',
    {
      phase: 'Pending',
      conditions: [
        { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1' },
      ],
    },
    { kind: 'unschedulable', reason: 'Unschedulable', message: '0/1' },
  ],
  [
    'running',
    { phase: 'Running', podIP: '10.0.0.9', ...container({ running: {} }) },
    { kind: 'running', ip: '10.0.0.9' },
  ],
  ['running without an address', { phase: 'Running', ...container({ running: {} }) }, pending],
  [
    'a container that ended in a pod that runs',
    {
      phase: 'Running',
      podIP: '10.0.0.9',
      ...container({ terminated: { exitCode: 2, reason: 'Error' } }),
    },
    ended('Error', 'exit status 2'),
  ],
  [
    'evicted',
    { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory.' },
    ended('Evicted', 'The node was low on memory.'),
  ],
  [
    'out of memory',
    { phase: 'Failed', ...container({ terminated: { exitCode: 137, reason: 'OOMKilled' } }) },
    ended('OOMKilled', 'exit status 137'),
  ],
  [
    'done',
    { phase: 'Succeeded', ...container({ terminated: { exitCode: 0, reason: 'Completed' } }) },
    ended('Completed', 'exit status 0'),
  ],
];

for (const [what, status, state] of rows) {
  it(`the state is right for ${what}`, () => expect(stateOf({ status })).toEqual(state));
}

it('a pod that is being deleted is recognized in any phase', () => {
  const metadata = { deletionTimestamp: new Date() };
  const status = { phase: 'Running', podIP: '10.0.0.9', ...container({ running: {} }) };
  expect(stateOf({ metadata, status })).toMatchObject({ kind: 'ended', reason: 'Deleted' });
});
