import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { countMemoryKills } from '../../../src/buildlet/limits.ts';
import { formatRecord, RecordParser, recordHeader } from '../../../src/protocol/log-records.ts';
import { clientOf, startBuildlet, type TestBuildlet } from '../../helpers/buildlet.ts';
import { Collector } from '../../helpers/collect.ts';
import { until } from '../../helpers/processes.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Runs `cat` of the bytes to its end, with or without anyone who reads. */
async function cat(buildlet: TestBuildlet, id: string, bytes: Buffer) {
  writeFileSync(join(buildlet.workDir, id), bytes);
  const { sessions } = clientOf(buildlet);
  const request = { id, cmd: 'cat', args: [id], systemLevel: true, detach: true };
  const session = await sessions.start(request);
  await session!.read({ observe: true });
  return session!;
}

describe('the log of a session', () => {
  it('is dropped at the quota, of finished runs the oldest first, and readers learn it', async () => {
    const buildlet = await startBuildlet({ sessions: { quotaBytes: 1 << 20 } });
    const all = ['a', 'b', 'c'].map((id) => ({ id, bytes: randomBytes(400_000) }));
    for (const { id, bytes } of all) await cat(buildlet, id, bytes);
    // The quota is kept as the disk is written, some time after the readers have it. What a reader waits for is not dropped,
    // unless the reader only observes.
    const oldest = clientOf(buildlet).sessions.get('a');
    await until(async () => (await oldest.read({ observe: true })).lostBytes > 0);
    const results = await Promise.all(
      all.map(async ({ id, bytes }) => {
        const stdout = new Collector();
        let gaps = 0;
        const { end, ...rest } = await clientOf(buildlet)
          .sessions.get(id)
          .read({ stdout, onGap: (bytes) => (gaps += bytes) });
        expect(gaps).toBe(rest.lostBytes);
        expect(end.stdout).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
        return { ...rest, got: stdout.bytes.length };
      }),
    );
    const [first, ...others] = results;
    expect(first!.isWhole).toBe(false);
    expect(first!.lostBytes).toBeGreaterThan(0);
    expect(first!.lostBytes + first!.got).toBe(400_000);
    const whole = { isWhole: true, lostBytes: 0, got: 400_000 };
    expect(others).toEqual([whole, whole]);
  });

  it('of a running session loses its oldest output first, and counts what it lost', async () => {
    const buildlet = await startBuildlet({ sessions: { quotaBytes: 1 << 20 } });
    const bytes = randomBytes(3_000_000);
    const session = await cat(buildlet, 'long', bytes);
    await until(async () => (await session.read()).lostBytes > 3_000_000 - 1_100_000);
    const stdout = new Collector();
    const { end, lostBytes } = await session.read({ stdout });
    expect(end.stdout).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
    expect(lostBytes).toBeLessThan(3_000_000 - 800_000);
    expect(stdout.bytes.equals(bytes.subarray(lostBytes))).toBe(true);
  });

  it('is removed with the buildlet', async () => {
    const directory = temporaryDirectory();
    const buildlet = await startBuildlet({ sessions: { directory } });
    await cat(buildlet, 'x', randomBytes(1_000));
    await until(() => readdirSync(join(directory, readdirSync(directory)[0]!)).length > 0);
    await buildlet.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('on a full disk slows the command, then fails its writes, and the reader learns why', async () => {
    const directory = smallDisk(1 << 20);
    if (directory === undefined) return;
    const buildlet = await startBuildlet({ sessions: { directory, fullWaitMs: 300 } });
    const written = join(buildlet.workDir, 'written');
    const script = `trap 'echo told > told' PIPE TERM; i=0; while head -c 65536 /dev/zero; do i=$((i+1)); echo $i > ${written}; done; echo $? > status; sleep 0.1`;
    const { sessions } = clientOf(buildlet);
    const session = await sessions.start({
      cmd: 'sh',
      args: ['-c', script],
      systemLevel: true,
      detach: true,
    });
    const { end } = await session!.read({ observe: true });
    expect(end).toMatchObject({
      why: 'log',
      error: expect.stringMatching(/the log cannot be written: ENOSPC/),
    });
    expect(existsSync(join(buildlet.workDir, 'told'))).toBe(true);
    // The buildlet goes on, and so do commands that fit.
    expect((await clientOf(buildlet).exec('true', { systemLevel: true })).ok).toBe(true);
  });

  it('on a full disk takes the space of finished runs', async () => {
    const directory = smallDisk(1 << 20);
    if (directory === undefined) return;
    const buildlet = await startBuildlet({ sessions: { directory, fullWaitMs: 5_000 } });
    await cat(buildlet, 'old', randomBytes(700_000));
    const session = await cat(buildlet, 'new', randomBytes(700_000));
    expect(await session.read()).toMatchObject({ isWhole: true, end: { why: 'exit' } });
    const old = clientOf(buildlet).sessions.get('old');
    // What has been read is perhaps not on the disk yet.
    await until(async () => (await old.read({ observe: true })).lostBytes > 0);
  });
});

/** A disk of that size; undefined for users who cannot make one. */
function smallDisk(sizeBytes: number): string | undefined {
  const directory = temporaryDirectory();
  const path = join(directory, 'disk');
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path], {
      stdio: 'ignore',
    });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync('umount', ['-l', path]));
  return path;
}

describe('many small writes', () => {
  it('are gathered into a few records', async () => {
    const buildlet = await startBuildlet();
    const { sessions } = clientOf(buildlet);
    const args = ['if=/dev/zero', 'bs=1', 'count=100000', 'status=none'];
    const session = await sessions.start({ cmd: 'dd', args, systemLevel: true });
    const { end } = await session!.read();
    expect(end.stdout.bytes).toBe(100_000);
    const [info] = await sessions.list();
    const headers = info!.logBytes - 100_000;
    expect(headers).toBeLessThan(100_000);
  });

  it('to an idle stream arrive one by one', async () => {
    const buildlet = await startBuildlet();
    const { workDir } = buildlet;
    // The next is written once the last has come.
    const stdout = new Collector();
    const script = `for i in 1 2 3 4 5; do printf $i; until [ -e ${workDir}/had$i ]; do sleep 0.01; done; done`;
    const { sessions } = clientOf(buildlet);
    const session = await sessions.start({ cmd: 'sh', args: ['-c', script], systemLevel: true });
    const reading = session!.read({ stdout });
    for (const word of ['1', '2', '3', '4', '5']) {
      await until(() => stdout.text.includes(word));
      writeFileSync(join(workDir, `had${word}`), '');
    }
    await reading;
    expect(stdout.chunks.map(String)).toEqual(['1', '2', '3', '4', '5', '']);
  });
});

describe('the records of a log', () => {
  it('are decoded wherever they are cut', () => {
    const file = formatRecord('file', '{"path":"/x"}');
    const log = Buffer.concat([
      Buffer.from('out 0 5\nhelloerr 0 2\nxyping 0 0\n'),
      file,
      Buffer.from('out 5 0\nout 5 1\n!'),
      formatRecord('end', '{}'),
    ]);
    const isNoPart = file.length + recordHeader('ping', 0, 0).length;
    for (let size = 1; size <= log.length; size++) {
      const parser = new RecordParser();
      const seen: Record<string, string> = { out: '', err: '', end: '', ping: '', file: '' };
      for (let at = 0; at < log.length; at += size) {
        for (const { kind, bytes } of parser.push(log.subarray(at, at + size))) {
          seen[kind] = `${seen[kind]}${bytes}`;
        }
      }
      expect(seen).toEqual({
        out: 'hello!',
        err: 'xy',
        end: '{}',
        ping: '',
        file: '{"path":"/x"}',
      });
      expect(parser.position).toBe(log.length - isNoPart);
    }
  });

  it.each(['what 0 0\n', 'out 0\n', 'out x 1\n', `out 0 ${'1'.repeat(50)}`, 'end 0 99999999\n'])(
    'are refused when they are malformed: %j',
    (text) => {
      expect(() => [...new RecordParser().push(Buffer.from(text))]).toThrow('not a log');
    },
  );
});

describe('a closing record', () => {
  it('is verified by its digests', () => {
    const record = formatRecord('end', '{"code":0}');
    record[record.indexOf('0}')] = 0x31;
    expect(() => [...new RecordParser().push(record)]).toThrow('damaged');
  });
});

describe('kills for lack of memory', () => {
  it.each([
    ['version 2', '0::/machine/x\n', 'machine/x/memory.events', 'low 0\noom 3\noom_kill 2\n'],
    ['version 2 in a container', '0::/seen/outside\n', 'memory.events', 'oom_kill 2\n'],
    [
      'version 1',
      '4:memory:/m\n0::/\n',
      'memory/m/memory.oom_control',
      'under_oom 0\noom_kill 2\n',
    ],
  ])('are counted where the kernel reports them: %s', async (_, groups, file, text) => {
    const root = temporaryDirectory();
    for (const [path, content] of [
      ['proc/self/cgroup', groups],
      [join('sys/fs/cgroup', file), text],
    ] as const) {
      mkdirSync(join(root, path, '..'), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    expect(await countMemoryKills(root)).toBe(2);
  });

  it('are unknown where the kernel does not report them', async () => {
    expect(await countMemoryKills(temporaryDirectory())).toBeUndefined();
  });
});
