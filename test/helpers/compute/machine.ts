// What a "VM" of the fake Compute API is: a real buildlet that reads a metadata server of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
import { startAgent } from '../../../src/buildlet/agent.ts';
import { readOptions } from '../../../src/buildlet/options.ts';
import { removeTreeSync } from '../../../src/files/remove-tree.ts';
import { type MetadataServer, startMetadataServer } from '../metadata-server.ts';
import { buildletProgram, projectRoot } from '../programs.ts';

/**
 * `process`: the buildlet program; `apart`: the service of docs/compute-engine.md, as root of a system with files and processes of
 * its own; `here`: the buildlet in this process, for many at once; `old`: the same without extensions; `silent`: a machine whose
 * buildlet never comes up; `stops`: one that powers itself off at once.
 */
export type MachineKind = 'process' | 'apart' | 'here' | 'old' | 'silent' | 'stops';

export interface Machine {
  /** Turns the machine off, without waiting for anything on it. */
  kill(): Promise<void>;
  /** Resolves when it is off, also by itself. */
  readonly off: Promise<void>;
  readonly pid: number | undefined;
  readonly log: string;
}

/** Boots the machine with the addresses it was given. */
export async function boot(
  kind: MachineKind,
  instance: compute_v1.Schema$Instance,
): Promise<Machine> {
  if (kind === 'silent' || kind === 'stops') return standIn(kind === 'stops');
  const items = instance.metadata?.items ?? [];
  const attributes = Object.fromEntries(items.map(({ key = '', value = '' }) => [key, value]));
  const metadata = await startMetadataServer(attributes);
  const [nic] = instance.networkInterfaces ?? [];
  const ip = nic?.accessConfigs?.[0]?.natIP ?? nic?.networkIP ?? '';
  const defaultPort = 'tls-cert' in attributes ? 443 : 80;
  const line = ['--gce', '--listen', `${ip}${attributes.listen ?? `:${defaultPort}`}`];
  if (kind === 'here') return await here(line, metadata);
  if (kind === 'old') return await here(line, metadata, []);
  return inProcess(kind === 'process' ? plain : apart, line, metadata);
}

/** What starts the buildlet, given the machine's disk. */
type Start = (disk: string) => readonly [program: string, ...args: string[]];

const plain: Start = () => [process.execPath, buildletProgram];

const apart: Start = (disk) => {
  const guide = readFileSync(join(projectRoot, 'docs/compute-engine.md'), 'utf8');
  const [, service = ''] = /^ *ExecStart=(.*)$/m.exec(guide) ?? [];
  writeFileSync(
    join(disk, 'buildlet'),
    `#!/bin/sh\nexec ${process.execPath} ${buildletProgram} "$@"\n`,
    { mode: 0o755 },
  );
  const system = ['/usr', '/bin', '/lib', '/lib64', '/etc', '/opt', projectRoot, process.execPath];
  return [
    ...(['bwrap', '--unshare-pid', '--unshare-ipc', '--die-with-parent'] as const),
    ...['--unshare-user', '--uid', '0', '--gid', '0', '--proc', '/proc', '--dev', '/dev'],
    ...system.flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--bind', disk, disk],
    ...service.split(' '),
  ];
};

function inProcess(start: Start, line: readonly string[], metadata: MetadataServer): Machine {
  const disk = mkdtempSync(join(tmpdir(), 'gomote-vm-'));
  // To power off, the buildlet calls this; its process then ends, which turns the machine off.
  writeFileSync(join(disk, 'shutdown'), '#!/bin/sh\nexit 0\n');
  chmodSync(join(disk, 'shutdown'), 0o755);
  const [program, ...args] = start(disk);
  const child = spawn(program, [...args, ...line], {
    cwd: disk,
    env: {
      PATH: `${disk}:${process.env.PATH}`,
      HOME: disk,
      TMPDIR: disk,
      GCE_METADATA_HOST: metadata.host,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const off = new Promise<void>((resolve) => {
    child.once('close', () => {
      metadata.close();
      // A program that the killed buildlet had started may still write there.
      removeTreeSync(disk);
      resolve();
    });
  });
  return {
    pid: child.pid,
    off,
    get log() {
      return log;
    },
    kill: async () => {
      killAll(child);
      await off;
    },
  };
}

function killAll(child: ChildProcess): void {
  child.kill('SIGKILL');
}

async function here(
  line: readonly string[],
  metadata: MetadataServer,
  features?: readonly string[],
): Promise<Machine> {
  const options = await readOptions(line, { GCE_METADATA_HOST: metadata.host });
  metadata.close();
  if (typeof options === 'string' || options.address === undefined) throw new Error('no address');
  const agent = await startAgent({
    ...options,
    address: options.address,
    environment: { PATH: process.env.PATH },
    features,
    log: () => undefined,
  });
  const off = agent.ending.then(() => agent.close());
  return { pid: undefined, off, log: '', kill: () => agent.close() };
}

function standIn(stopsAtOnce: boolean): Machine {
  let turnOff: () => void = () => undefined;
  const off = new Promise<void>((resolve) => {
    turnOff = resolve;
  });
  if (stopsAtOnce) turnOff();
  const log = 'Booting\r\nstartup-script: cannot fetch the buildlet\r\n';
  return { pid: undefined, off, log, kill: async () => turnOff() };
}
