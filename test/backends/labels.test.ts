// Labels through each backend: what is written of a buildlet there gives the same labels again, and nothing that is no label.
import * as v from 'valibot';
import { expect, it } from 'vitest';
import { containerOf, instanceOf as ofContainer } from '../../src/backends/docker/container.ts';
import { describeVm, recordOf } from '../../src/backends/gce/record.ts';
import { instanceOf as ofPod, podOf } from '../../src/backends/kubernetes/pod.ts';
import { parseRequest, replySchemas } from '../../src/backends/ssh/messages.ts';
import { formatRecord } from '../../src/protocol/coordinator.ts';
import { parseRemoteBuildlet } from '../../src/protocol/coordinator-replies.ts';
import type { Labels } from '../../src/protocol/labels.ts';

const times = { idleTimeoutMs: 60_000, maxLifetimeMs: 3_600_000 };
const about = { name: 'me-linux-0', owner: 'me', builderType: 'linux', hostType: 'host' };

/** The labels that a list shows of a buildlet that was made with these. */
const throughs: Record<string, (labels: Labels | undefined) => Labels | undefined> = {
  docker: (userLabels) => {
    const machine = { image: 'debian:12', labels: { 'gomote.labelled': 'x' } };
    const plan = {
      ...about,
      machine,
      imageEnv: [],
      isRoot: true,
      payloadVolume: 'v',
      caches: [],
      ...times,
    };
    const made = containerOf({ ...plan, userLabels }) as { Labels: Record<string, string> };
    return ofContainer('me-linux-0', made.Labels).labels;
  },
  kubernetes: (userLabels) => {
    const machine = { image: 'buildlet:1' };
    const plan = { ...about, machine, image: 'i', maker: 'm', creation: '01234567', ...times };
    return ofPod(podOf({ ...plan, userLabels }, { password: 'p' }), undefined).labels;
  },
  gce: (userLabels) => {
    const { meta, labels } = describeVm({ ...about, idleTimeoutMs: 60_000, userLabels });
    const items = Object.entries(meta).map(([key, value]) => ({ key, value }));
    return recordOf({ name: 'vm', labels, metadata: { items } })?.labels;
  },
  ssh: (labels) => {
    const host = { name: 'host' };
    const builder = { name: 'linux', hostType: 'host', env: [] };
    const create = { op: 'create', builder, host, user: 'me', storeBytes: 0, labels };
    const sent = parseRequest(JSON.stringify(create));
    const kept = sent.op === 'create' ? sent.labels : undefined;
    const reply = JSON.parse(JSON.stringify([{ ...about, labels: kept }]));
    return v.parse(replySchemas.list, reply)[0]?.labels;
  },
  coordinator: (labels) => {
    const record = { ...about, createdMs: 0, expiresMs: 1, labels };
    return parseRemoteBuildlet(formatRecord(record))?.labels;
  },
};

for (const [backend, through] of Object.entries(throughs)) {
  it(`${backend} keeps labels`, () => {
    const labels = { os: 'linux', branch: 'feature/x y', 'a.b_c-d': 'ü=,"{}', empty: '' };
    expect(through(labels)).toEqual(labels);
    expect(through(undefined)).toBeUndefined();
    expect(through({ ok: 'yes', 'no/key': 'x', bad: '\u001b[31m' })).toEqual({ ok: 'yes' });
  });
}
