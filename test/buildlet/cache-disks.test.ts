// Caches on disks of a virtual machine, as its buildlet mounts them.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
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
    ['is formatted when it is blank', 'exit 2', true],
    ['is not formatted when it was before', 'echo TYPE=ext4', false],
  ])('%s', async (_what, found, isFormatted) => {
    const directory = temporaryDirectory();
    standIn(directory, 'blkid', found);
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
      `blkid -p -o export ${device}`,
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
    expect(readFileSync(join(directory, 'calls'), 'utf8')).toBe(
      `blkid -p -o export ${directory}\n`,
    );
  });
});

const canMount =
  hasRoot() &&
  (spawnSync('unshare', ['--mount', 'losetup', '--find']).status === 0 ||
    missing('this system has no loop devices'));

interface DeviceOptions {
  /** Writes what is on it into the file. */
  readonly prepare?: (file: string) => void;
  readonly isReadOnly?: boolean;
}

/** A block device whose content is a new file. */
function newDevice({ prepare, isReadOnly = false }: DeviceOptions = {}): string {
  const file = join(temporaryDirectory(), 'disk');
  writeFileSync(file, '');
  truncateSync(file, 64 << 20);
  prepare?.(file);
  const args = ['--find', '--show', ...(isReadOnly ? ['--read-only'] : []), file];
  const device = execFileSync('losetup', args, { encoding: 'utf8' }).trim();
  onTestFinished(() => void execFileSync('losetup', ['--detach', device]));
  return device;
}

/** A virtual machine with file systems of its own, and a script that starts its buildlet; `shutdown` only leaves a file. */
async function startMachine(cacheDisks: string, script = 'exec "$@"') {
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
    ['--mount', 'sh', '-c', `mount -t tmpfs none /mnt && ${script}`, 'sh', ...buildlet],
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
  const addresses = createInterface(child.stdout)[Symbol.asyncIterator]();
  const closed = once(child, 'close') as Promise<[number]>;
  return {
    client: async () => {
      const { value } = await addresses.next();
      return new BuildletClient(String(value), NoKeyPair);
    },
    ended: async () => {
      const [code] = await closed;
      return { code, log: await log, isOff: existsSync(join(directory, 'calls')) };
    },
  };
}

async function outputOf(client: BuildletClient, script: string): Promise<string> {
  const output = new Collector();
  await client.exec('/bin/sh', { systemLevel: true, args: ['-c', script], output });
  return output.text;
}

/** What the script prints on a machine with the disks, which is then powered off. */
async function printed(cacheDisks: string, script: string): Promise<string> {
  const machine = await startMachine(cacheDisks);
  const client = await machine.client();
  const output = await outputOf(client, script);
  await client.halt();
  await client.disconnect();
  expect(await machine.ended()).toMatchObject({ code: 0, isOff: true });
  return output;
}

const start = (device: string) => execFileSync('head', ['-c', '1M', device]);

/** A machine with the disk is powered off for that reason, and the disk is as before. */
async function isLeftAlone(device: string, reason: string): Promise<void> {
  const content = start(device);
  const machine = await startMachine(`x:${device}`);
  const { code, log, isOff } = await machine.ended();
  expect({ code, isOff }).toEqual({ code: 1, isOff: true });
  const [line] = log.trim().split('\n');
  expect(line).toContain(`the disk ${device} of the cache at x cannot be used: `);
  expect(line).toContain(reason);
  expect(start(device).equals(content)).toBe(true);
}

const format = (file: string) => void execFileSync('mkfs.ext4', ['-q', file]);

function writeAt(file: string, position: number, bytes: readonly number[] | Buffer): void {
  const disk = openSync(file, 'r+');
  writeSync(disk, Buffer.from(bytes), 0, bytes.length, position);
  closeSync(disk);
}

describe.runIf(canMount)('a virtual machine with the disk of a cache', () => {
  it('finds there what an earlier one has left', async () => {
    const disks = `deep/npm:${newDevice()}\n~/.cache/go:${newDevice()}`;
    const write = 'ls -A deep/npm; echo kept >deep/npm/file; echo more >~/.cache/go/file';
    expect(await printed(disks, write)).toBe('');
    expect(await printed(disks, 'cat deep/npm/file ~/.cache/go/file')).toBe('kept\nmore\n');
  });

  it('takes it as it is, also full, and when the buildlet is started again', async () => {
    const disks = `x:${newDevice()}`;
    const fill = 'echo kept >x/file; head -c 1G /dev/zero >x/big 2>/dev/null; df --output=avail x';
    expect(await printed(disks, fill)).toMatch(/\n +\d\n$/);
    const machine = await startMachine(disks, '"$@"; exec "$@"');
    const killed = outputOf(await machine.client(), 'rm x/big; kill -KILL $PPID');
    await expect(killed).rejects.toMatchObject({ code: 'ERR_LOST' });
    const client = await machine.client();
    const mounts = 'cat x/file; grep -c "^/dev/loop.* /mnt/" /proc/self/mounts';
    expect(await outputOf(client, mounts)).toBe('kept\n1\n');
    await client.halt();
    expect(await machine.ended()).toMatchObject({ code: 0, isOff: true });
  });

  it.each<[string, DeviceOptions, string]>([
    [
      'has another file system',
      { prepare: (file) => void execFileSync('mkswap', [file]) },
      'it has "swap" on it, and not ext4',
    ],
    [
      'has partitions',
      {
        prepare: (file) => {
          writeAt(file, 450, [0x83, 0, 0, 0, 0, 8, 0, 0, 0, 128]);
          writeAt(file, 510, [0x55, 0xaa]);
        },
      },
      'it has "dos" on it, and not ext4',
    ],
    [
      'is damaged',
      {
        prepare: (file) => {
          format(file);
          writeAt(file, 2 << 10, Buffer.alloc(40 << 10, 0xa5));
        },
      },
      'mount: ',
    ],
    ['can only be read', { prepare: format, isReadOnly: true }, 'read-only file system'],
  ])('leaves a disk alone that %s, and is powered off', async (_what, options, reason) => {
    await isLeftAlone(newDevice(options), reason);
  });

  it('leaves a disk alone that something else holds, and is powered off', async () => {
    const device = newDevice();
    const holder = openSync(device, constants.O_RDWR | constants.O_EXCL);
    onTestFinished(() => closeSync(holder));
    await isLeftAlone(device, 'apparently in use by the system');
  });
});
