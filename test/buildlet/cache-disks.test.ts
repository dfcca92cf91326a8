// Caches on disks of a virtual machine, as its buildlet mounts them.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { mountCacheDisks } from '../../src/buildlet/cache-disks.ts';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { NoKeyPair } from '../../src/client/key-pair.ts';
import { Collector } from '../helpers/collect.ts';
import { startMetadataServer } from '../helpers/metadata-server.ts';
import { buildletProgram } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasRoot, missing } from '../helpers/tools.ts';

/** A program on `PATH` that writes down how it was called. */
function standIn(directory: string, name: string, script = ''): void {
  const file = join(directory, name);
  writeFileSync(file, `#!/bin/sh\necho ${name} "$@" >>${directory}/calls\n${script}\n`);
  chmodSync(file, 0o755);
}

describe('a disk of a cache', () => {
  it.each([
    ['is formatted when it is blank', 2, true],
    ['is not formatted when there is something on it', 0, false],
  ])('%s', async (_what, status, isFormatted) => {
    const directory = temporaryDirectory();
    standIn(directory, 'blkid', `exit ${status}`);
    standIn(directory, 'mkfs.ext4');
    standIn(directory, 'mount');
    vi.stubEnv('PATH', `${directory}:${process.env.PATH}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const device = join(directory, 'google-cache-1');
    writeFileSync(device, '');
    const root = join(directory, 'disks');
    const at = join(root, 'google-cache-1');
    expect(await mountCacheDisks([{ path: '~/.npm', directory: device }], root)).toEqual([
      { path: '~/.npm', directory: join(at, 'content') },
    ]);
    expect(readFileSync(join(directory, 'calls'), 'utf8').trim().split('\n')).toEqual([
      `blkid -p ${device}`,
      ...(isFormatted ? [`mkfs.ext4 -q -m 0 ${device}`] : []),
      `mount -t ext4 -o noatime,nodev,nosuid ${device} ${at}`,
    ]);
  });

  it('is not formatted when it cannot be read', async () => {
    const directory = temporaryDirectory();
    standIn(directory, 'blkid', 'echo "blkid: error: disk: Input/output error" >&2; exit 4');
    standIn(directory, 'mkfs.ext4');
    vi.stubEnv('PATH', `${directory}:${process.env.PATH}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(
      mountCacheDisks([{ path: 'x', directory: directory }], join(directory, 'disks')),
    ).rejects.toMatchObject({
      code: 'ERR_MACHINE',
      message: `the disk ${directory} of the cache at x cannot be used: blkid: error: disk: Input/output error`,
    });
    expect(readFileSync(join(directory, 'calls'), 'utf8')).toBe(`blkid -p ${directory}\n`);
  });
});

const canMount =
  hasRoot() &&
  (spawnSync('unshare', ['--mount', 'losetup', '--find']).status === 0 ||
    missing('this system has no loop devices'));

/** A block device whose content is a new file. */
function newDevice(): string {
  const file = join(temporaryDirectory(), 'disk');
  writeFileSync(file, '');
  truncateSync(file, 64 << 20);
  const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  onTestFinished(() => void execFileSync('losetup', ['--detach', device]));
  return device;
}

/** The buildlet of a virtual machine with file systems of its own; `shutdown` only leaves a file. */
async function startMachine(cacheDisks: string) {
  const directory = temporaryDirectory();
  const metadata = await startMetadataServer({
    'buildlet-host-type': 'host-linux',
    'cache-disks': cacheDisks,
  });
  onTestFinished(() => metadata.close());
  standIn(directory, 'shutdown');
  mkdirSync(join(directory, 'home'));
  const buildlet = [process.execPath, buildletProgram, '--gce', '--listen', '127.0.0.1:0'];
  const child = spawn(
    'unshare',
    ['--mount', 'sh', '-c', 'mount -t tmpfs none /mnt && exec "$@"', 'sh', ...buildlet],
    {
      env: {
        PATH: `${directory}:${process.env.PATH}`,
        HOME: join(directory, 'home'),
        GCE_METADATA_HOST: metadata.host,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const log = text(child.stderr);
  const closed = once(child, 'close') as Promise<[number]>;
  return {
    client: async () => {
      const [address] = await once(createInterface(child.stdout), 'line');
      return new BuildletClient(String(address), NoKeyPair);
    },
    ended: async () => {
      const [code] = await closed;
      return { code, log: await log, isOff: existsSync(join(directory, 'calls')) };
    },
  };
}

describe.runIf(canMount)('a virtual machine with the disk of a cache', () => {
  it('finds there what an earlier one has left', async () => {
    const device = newDevice();
    const run = async (script: string) => {
      const machine = await startMachine(`deep/npm:${device}\n~/.cache/go:${second}`);
      const client = await machine.client();
      const output = new Collector();
      await client.exec('/bin/sh', { systemLevel: true, args: ['-c', script], output });
      await client.halt();
      await client.disconnect();
      expect(await machine.ended()).toMatchObject({ code: 0, isOff: true });
      return output.text;
    };
    const second = newDevice();
    const write = 'ls -A deep/npm; echo kept >deep/npm/file; echo more >~/.cache/go/file';
    expect(await run(write)).toBe('');
    expect(await run('cat deep/npm/file ~/.cache/go/file')).toBe('kept\nmore\n');
  });

  it('leaves a disk alone that has something else on it, and is powered off', async () => {
    const device = newDevice();
    execFileSync('mkswap', [device]);
    const content = execFileSync('head', ['-c', '1M', device]);
    const machine = await startMachine(`x:${device}`);
    const { code, log, isOff } = await machine.ended();
    expect({ code, isOff }).toEqual({ code: 1, isOff: true });
    expect(log).toContain(`the disk ${device} of the cache at x cannot be used: mount: `);
    expect(execFileSync('head', ['-c', '1M', device]).equals(content)).toBe(true);
  });
});
