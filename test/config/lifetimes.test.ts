// The lifetime "0" means for ever, on every platform; where there must be an end, it is refused.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeVm } from '../../src/backends/gce/record.ts';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const base = 'state-directory = "state"\n';
const pool = (backend: string) =>
  `[hosts.h.kubernetes]\nimage = "i"\n[pools.p]\nkind = "backend"\nhost = "h"\nmaximum = 1\nbackend = "${backend}"\n`;

function load(toml: string) {
  const path = join(temporaryDirectory(), 'coordinator.toml');
  writeFileSync(path, toml);
  return loadCoordinatorConfig(path);
}

const backends = {
  kubernetes: '[backends.b]\nkind = "kubernetes"\n',
  gce: '[backends.b]\nkind = "gce"\nproject = "some-project"\nzones = ["us-central1-a"]\n',
};

describe.each(['kubernetes', 'gce'] as const)('a backend of kind %s', (kind) => {
  it.each(['0', '0s', '0h0m'])('reads the lifetimes "%s" as never', (text) => {
    const times = `idle-timeout = "${text}"\nmax-lifetime = "${text}"\n`;
    const [{ backend } = { backend: undefined }] = load(base + backends[kind] + times + pool('b'))
      .pools as readonly { backend?: object }[];
    expect(backend).toMatchObject({ idleTimeoutMs: Infinity, maxLifetimeMs: Infinity });
  });
});

it('a machine of Compute Engine that never ends tells its buildlet so, and has no label of its end', () => {
  const never = { name: 'n', owner: 'o', builderType: 't', idleTimeoutMs: Infinity };
  const { meta, labels } = describeVm(never);
  expect(meta['idle-timeout']).toBe('0s');
  expect(Object.keys(labels).filter((key) => key.includes('expires'))).toEqual([]);
});

it.each(['limits = { idle = "0" }', 'limits = { maximum = "0s" }', 'probe-interval = "0"'])(
  'a coordinator refuses %s',
  (line) => {
    expect(() => load(`${base}${line}\n[hosts.h.kubernetes]\nimage = "i"\n`)).toThrow(
      'give a duration of more than 0',
    );
  },
);
