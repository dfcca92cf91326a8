// Names from outside that JavaScript objects know too: none is dropped, and none finds what was not given.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { signalByName } from '../../src/protocol/signals.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const names = ['constructor', '__proto__', 'prototype', 'toString', 'hasOwnProperty'];

describe.each(names)('the name %s', (name) => {
  it('is a builder type, a host type and a pool when the configuration says so', () => {
    const path = join(temporaryDirectory(), 'coordinator.toml');
    const toml = [
      'state-directory = "state"',
      `[hosts.${name}]`,
      `[builders.${name}]`,
      `host = "${name}"`,
      `[pools.${name}]`,
      'kind = "local"',
      'maximum = 1',
      `host = "${name}"`,
    ].join('\n');
    writeFileSync(path, toml);
    const { catalogue, pools } = loadCoordinatorConfig(path);
    expect(catalogue.hosts.map((host) => host.name)).toContain(name);
    expect(catalogue.builders.map((builder) => builder.name)).toContain(name);
    expect(pools.map((pool) => pool.name)).toEqual([name]);
  });

  it('is not a signal', () => {
    expect(signalByName(name)).toBeUndefined();
    expect(signalByName(`SIG${name}`)).toBeUndefined();
  });
});
