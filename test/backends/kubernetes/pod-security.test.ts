// What a pod is not given unless its host type says so, and the examples of docs/kubernetes.md.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { hostsSchema, toCatalogue } from '../../../src/backends/catalogue.ts';
import { podOf } from '../../../src/backends/kubernetes/pod.ts';
import type { KubernetesMachine } from '../../../src/builders.ts';
import { projectRoot } from '../../helpers/programs.ts';

const podWith = (machine: KubernetesMachine) =>
  podOf(
    {
      name: 'me-linux-0',
      hostType: 'host',
      machine,
      image: machine.image,
      owner: 'me',
      maker: 'maker',
      creation: 'creation',
      builderType: 'linux',
      idleTimeoutMs: 60_000,
      maxLifetimeMs: 3_600_000,
    },
    { password: 'pass' },
  );

const kept = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID'];

it('a pod has no access to the API server and the node, and few rights over the kernel', () => {
  const { spec } = podWith({ image: 'buildlet' });
  expect(spec).toMatchObject({
    automountServiceAccountToken: false,
    hostNetwork: false,
    hostPID: false,
    hostIPC: false,
    securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
  });
  expect(spec?.containers[0]?.securityContext).toEqual({
    privileged: false,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'], add: kept },
  });
});

it.each([
  [{ automountServiceAccountToken: true }],
  [{ hostNetwork: true }],
  [{ hostPID: true }],
  [{ hostIPC: true }],
  [{ securityContext: { seccompProfile: { type: 'Unconfined' } } }],
])('the user’s part changes each default of the pod: %j', (spec) => {
  expect(podWith({ image: 'buildlet', template: { spec } }).spec).toMatchObject(spec);
});

it.each([
  [{ securityContext: { allowPrivilegeEscalation: true } }],
  [{ securityContext: { privileged: true } }],
  [{ securityContext: { capabilities: { add: ['SYS_PTRACE'] } } }],
  [{ securityContext: { capabilities: { drop: [] } } }],
  [{ resources: { limits: { 'ephemeral-storage': '100Gi' } } }],
])('the user’s part changes each default of the container: %j', (container) => {
  const template = { spec: { containers: [{ name: 'buildlet', ...container }] } };
  const [made] = podWith({ image: 'buildlet', template }).spec?.containers ?? [];
  expect(made).toMatchObject(container);
  expect(made?.image).toBe('buildlet');
});

describe('the examples of docs/kubernetes.md', () => {
  const text = readFileSync(join(projectRoot, 'docs/kubernetes.md'), 'utf8');
  const [, toml = ''] = /```toml\n(.*?)```/s.exec(text) ?? [];
  const hosts = v.parse(hostsSchema, parse(toml).hosts);
  const catalogue = toCatalogue('kubernetes.md', { hosts, builders: new Map() });
  const podOfHost = (name: string) => {
    const machine = catalogue.hosts.find((host) => host.name === name)?.kubernetes;
    if (machine === undefined) throw new Error(`no example called ${name}`);
    return podWith(machine);
  };

  it('make pods for nodes, priorities, runtimes and registries of a team’s own', () => {
    expect(podOfHost('host-big').spec).toMatchObject({
      nodeSelector: { 'example.com/pool': 'builds' },
      tolerations: [{ key: 'example.com/builds', operator: 'Exists', effect: 'NoSchedule' }],
      priorityClassName: 'builds',
      runtimeClassName: 'gvisor',
      imagePullSecrets: [{ name: 'registry-login' }],
    });
  });

  it('make pods of another architecture and with a GPU', () => {
    expect(podOfHost('host-arm64').spec?.nodeSelector).toEqual({ 'kubernetes.io/arch': 'arm64' });
    const [container] = podOfHost('host-gpu').spec?.containers ?? [];
    expect(container?.resources?.limits).toMatchObject({ 'nvidia.com/gpu': '1', cpu: '8' });
  });

  it('make pods whose commands may trace, with everything else unchanged', () => {
    const [container] = podOfHost('host-tracing').spec?.containers ?? [];
    expect(container?.securityContext).toMatchObject({
      privileged: false,
      allowPrivilegeEscalation: true,
      capabilities: { drop: ['ALL'], add: [...kept, 'SYS_PTRACE'] },
    });
    expect(podOfHost('host-tracing').spec?.containers).toHaveLength(1);
  });
});
