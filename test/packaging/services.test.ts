// The units for systemd and the example for logrotate, as these programs read them.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasTool } from '../helpers/tools.ts';

const packaging = join(projectRoot, 'docs/packaging');
const read = (name: string): string => readFileSync(join(packaging, name), 'utf8');

const units = ['gomote-coordinator.service', 'gomote-buildlet.service'];

/** The values of a key, in order. */
const valuesOf = (text: string, key: string): string[] =>
  text
    .split('\n')
    .flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));

describe.each(units)('%s', (name) => {
  const text = read(name);

  it.each(valuesOf(text, 'ExecStart'))(
    'starts a program of the package, with options that the program has: %s',
    (line) => {
      const [program = '', ...args] = line.split(' ');
      const path = join(projectRoot, 'bin', `${program}.js`);
      const help = spawnSync(path, ['--help'], { encoding: 'utf8' });
      expect(help.status).toBe(0);
      for (const option of args.filter((one) => one.startsWith('--'))) {
        expect(help.stdout).toContain(option);
      }
    },
  );

  it('gives the program no privileges, and nobody else its files', () => {
    for (const [key, value] of Object.entries({
      NoNewPrivileges: 'yes',
      ProtectSystem: 'strict',
      ProtectHome: 'yes',
      PrivateTmp: 'yes',
      CapabilityBoundingSet: '',
      UMask: '0077',
      StateDirectoryMode: '0700',
    })) {
      expect(valuesOf(text, key), key).toEqual([value]);
    }
  });

  it('has nothing that prevents Node.js from running', () => {
    expect(valuesOf(text, 'MemoryDenyWriteExecute')).toEqual([]);
  });
});

it('a reload of the coordinator is SIGHUP, and its stop time-out is longer than that of requests', () => {
  const unit = read('gomote-coordinator.service');
  expect(valuesOf(unit, 'ExecReload')).toEqual(['/bin/kill -HUP $MAINPID']);
  const directory = temporaryDirectory();
  const config =
    'state-directory = "s"\n[pools.p]\nkind = "local"\nhost = "h"\nmaximum = 1\n[hosts.h]\n';
  writeFileSync(join(directory, 'c.toml'), config, { mode: 0o600 });
  const { drainMs } = loadCoordinatorConfig(join(directory, 'c.toml'));
  expect(Number(valuesOf(unit, 'TimeoutStopSec')[0]) * 1_000).toBeGreaterThan(drainMs);
});

describe.runIf(hasTool('systemd-analyze'))('systemd', () => {
  /** The units as an administrator installs them, with programs that are there. */
  function installed(withLocalPools: boolean): string {
    const directory = temporaryDirectory();
    for (const name of units) {
      const text = read(name).replace(/^(ExecStart=)(\w+)/gm, `$1${projectRoot}bin/$2.js`);
      writeFileSync(join(directory, name), text);
    }
    if (withLocalPools) {
      const dropIns = join(directory, 'gomote-coordinator.service.d');
      mkdirSync(dropIns);
      writeFileSync(join(dropIns, 'local.conf'), read('gomote-coordinator-local.conf'));
    }
    return directory;
  }

  it.each([false, true])('finds no fault; with local pools: %s', (withLocalPools) => {
    const directory = installed(withLocalPools);
    const paths = units.map((name) => join(directory, name));
    const result = spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${directory}:` },
    });
    // It also reads units of the system that these refer to, and tells what it finds there.
    const ours = result.stderr.split('\n').filter((line) => line.includes('gomote'));
    expect(ours).toEqual([]);
    expect(result.status).toBe(0);
  });
});

const logrotate = existsSync('/usr/sbin/logrotate') ? '/usr/sbin/logrotate' : 'logrotate';

describe.runIf(hasTool(logrotate))('logrotate', () => {
  it('moves the audit trail away, then makes the coordinator reload', () => {
    const directory = temporaryDirectory();
    const trail = join(directory, 'audit.jsonl');
    writeFileSync(trail, '{"event":"create"}\n', { mode: 0o600 });
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\necho "$@" > ${directory}/reloaded\n`);
    chmodSync(join(bin, 'systemctl'), 0o755);
    const { username } = userInfo();
    const text = read('logrotate')
      .replace('/var/lib/gomote/state/audit.jsonl', trail)
      .replace('su gomote gomote', `su ${username} ${username}`);
    const config = join(directory, 'config');
    writeFileSync(config, text, { mode: 0o644 });
    const args = ['--force', '--state', join(directory, 'state'), config];
    const result = spawnSync(logrotate, args, {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
    });
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(`${trail}.1`, 'utf8')).toBe('{"event":"create"}\n');
    expect(readFileSync(join(directory, 'reloaded'), 'utf8')).toBe('reload gomote-coordinator\n');
  });
});
