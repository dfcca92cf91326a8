// What a "VM" of the fake Compute API is: a real buildlet that reads a metadata server of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
import { startAgent } from '../../../src/buildlet/agent.ts';
import { readOptions } from '../../../src/buildlet/options.ts';
import { removeTreeSync } from '../../../src/files/remove-tree.ts';
import { type MetadataServer, startMetadataServer } from '../metadata-server.ts';
import { buildletProgram } from '../programs.ts';

/**
 * `process`: the buildlet program; `here`: the same buildlet in this process, for many at once; `silent`: a machine
 * whose buildlet never comes up; `stops`: one that powers itself off at once.
 */
export type MachineKind = 'process' | 'here' | 'silent' | 'stops';

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
  return kind === 'process' ? await inProcess(line, metadata) : await here(line, metadata);
}

async function inProcess(line: readonly string[], metadata: MetadataServer): Promise<Machine> {
  const disk = mkdtempSync(join(tmpdir(), 'gomote-vm-'));
  // To power off, the buildlet calls this; its process then ends, which turns the machine off.
  writeFileSync(join(disk, 'shutdown'), '#!/bin/sh\nexit 0\n');
  chmodSync(join(disk, 'shutdown'), 0o755);
  const child = spawn(process.execPath, [buildletProgram, ...line], {
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

async function here(line: readonly string[], metadata: MetadataServer): Promise<Machine> {
  const options = await readOptions(line, { GCE_METADATA_HOST: metadata.host });
  metadata.close();
  if (typeof options === 'string' || options.address === undefined) throw new Error('no address');
  const agent = await startAgent({
    ...options,
    address: options.address,
    environment: { PATH: process.env.PATH },
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
