// buildlet.run: one handle that is awaited, read, ended or left; over sessions and over the base protocol.
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { isGomoteError } from '../../src/errors.ts';
import type { Buildlet } from '../../src/gomote/buildlet.ts';
import { buildletFeatures } from '../../src/protocol/features.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { openTestGomote } from '../helpers/gomote.ts';
import { until } from '../helpers/processes.ts';

/** A buildlet by its address. */
async function buildletWith(features: readonly string[]): Promise<Buildlet> {
  const { address } = await startBuildlet({ features });
  const { gomote } = await openTestGomote();
  return await gomote.get(`x@${address}`);
}

const withSessions = () => buildletWith(buildletFeatures);

const kinds = [
  ['with sessions', buildletFeatures],
  ['with the base protocol alone', buildletFeatures.filter((name) => name !== 'session')],
] as const;

describe.each(kinds)('a run on a buildlet %s', (_, features) => {
  it('gives how the command ended and what it wrote', async () => {
    const buildlet = await buildletWith(features);
    expect(await buildlet.run('sh', ['-c', 'echo é; exit 3'])).toMatchObject({
      ok: false,
      exitCode: 3,
      signal: undefined,
      stdout: 'é\n',
      isTruncated: false,
    });
    expect(await buildlet.run('sh', ['-c', 'kill -KILL $$'])).toMatchObject({
      ok: false,
      exitCode: undefined,
      signal: 'SIGKILL',
    });
    expect(await buildlet.run('true')).toMatchObject({ ok: true, exitCode: 0 });
  });

  it('shows each piece of its output to onOutput, in order, and copies it all the same', async () => {
    const buildlet = await buildletWith(features);
    let seen = '';
    const onOutput = (bytes: Buffer) => {
      seen += bytes;
    };
    const { stdout, stderr } = await buildlet.run('sh', ['-c', 'echo a; echo b >&2'], { onOutput });
    expect([...seen].sort().join('')).toBe('\n\nab');
    expect(stdout + stderr).toBe('a\nb\n');
  });

  it('gives the lines of its output as they arrive', async () => {
    const buildlet = await buildletWith(features);
    const lines: string[] = [];
    for await (const line of buildlet.run('printf', ['a\\r\\n\\nb'])) lines.push(line);
    expect(lines).toEqual(['a', '', 'b']);
  });

  it('fails with the reason when the command cannot be started, and so do its streams', async () => {
    const buildlet = await buildletWith(features);
    const notStarted = { code: 'ERR_NOT_STARTED', reason: 'not-found' };
    await expect(buildlet.run('no-such-command')).rejects.toMatchObject(notStarted);
    await expect(text(buildlet.run('no-such-command').stdout)).rejects.toMatchObject(notStarted);
    const lines = buildlet.run('no-such-command').lines('all');
    await expect(lines.next()).rejects.toMatchObject(notStarted);
  });

  it('sets variables over existing ones, and runs in the given directory', async () => {
    const buildlet = await buildletWith(features);
    await buildlet.client.put('x', 'sub/f', 0o644);
    const script = 'echo $A-$B; basename $PWD';
    const env = { A: 'a b', B: '=' };
    const run = await buildlet.run('sh', ['-c', script], { env, dir: 'sub' });
    expect(run.stdout).toBe('a b-=\nsub\n');
    const listed = await buildlet.run('sh', ['-c', script], { env: ['A=1', 'B=2'] });
    expect(listed.stdout).toMatch(/^1-2\n/);
    await expect(buildlet.run('true', [], { dir: '../x' })).rejects.toMatchObject({
      code: 'ERR_PATH',
    });
  });

  it('cannot start outside the work directory, and the error names the library’s option', async () => {
    const { gomote } = await openTestGomote();
    await using buildlet = await gomote.create('local');
    await expect(buildlet.run('true', [], { dir: '..' })).rejects.toMatchObject({
      code: 'ERR_PATH',
      message: 'the directory ".." leaves the work directory',
    });
  });

  it('is ended by its signal', async () => {
    const buildlet = await buildletWith(features);
    const controller = new AbortController();
    const run = buildlet.run('sh', ['-c', 'echo on; exec sleep 1000'], {
      signal: controller.signal,
    });
    for await (const line of run) {
      expect(line).toBe('on');
      controller.abort();
      break;
    }
    await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('ends with ERR_TIMEOUT at its limit', async () => {
    const buildlet = await buildletWith(features);
    const run = buildlet.run('sleep', ['1000'], { timeoutMs: 50 });
    await expect(run).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  });
});

describe('a run', () => {
  it('keeps its two outputs separate, up to maxBuffer bytes', async () => {
    const buildlet = await withSessions();
    const run = await buildlet.run('sh', ['-c', 'echo 12345; echo oops >&2'], { maxBuffer: 4 });
    expect(run).toMatchObject({ stdout: '1234', stderr: 'oops', isTruncated: true, ok: true });
  });

  it('writes to the streams that were given, and gives its own as streams of Node and of the Web', async () => {
    const buildlet = await withSessions();
    const stdout = new PassThrough();
    const run = buildlet.run('sh', ['-c', 'echo out; echo err >&2'], { stdout });
    const readings = [
      text(run.stdout),
      text(run.stderr),
      text(run.stream()),
      text(run.stream('all')),
    ];
    const result = await run;
    stdout.end();
    expect(await text(stdout)).toBe('out\n');
    const [out, err, web, all] = await Promise.all(readings);
    expect([out, err, web, result.stdout]).toEqual(['out\n', 'err\n', 'out\n', 'out\n']);
    expect([...(all ?? '')].sort().join('')).toBe([...'out\nerr\n'].sort().join(''));
  });

  it('waits for a slow reader, but not for one that has left', async () => {
    const buildlet = await withSessions();
    const run = buildlet.run('sh', ['-c', 'head -c 3000000 /dev/zero; echo; echo end']);
    for await (const line of run.lines()) {
      expect(line).toHaveLength(3_000_000);
      break;
    }
    expect((await run).stdout).toHaveLength(3_000_005);
  });

  it('fails when the stream that it writes to does, and its command is ended', async () => {
    const buildlet = await withSessions();
    const stdout = new PassThrough();
    const run = buildlet.run('yes', [], { stdout });
    stdout.once('data', () => stdout.destroy(new Error('full')));
    await expect(run).rejects.toThrow('full');
    const ended = await buildlet.attach(run.id, { maxBuffer: 0 });
    expect(ended.signal).toBe('SIGTERM');
  });

  it.each([
    ['text', () => 'in'],
    ['bytes', () => new Uint8Array([0x69, 0x6e])],
    ['an ArrayBuffer', () => new Uint8Array([0x69, 0x6e]).buffer],
    ['a Blob', () => new Blob(['in'])],
    ['a stream of Node', () => Readable.from([Buffer.from('in')])],
    ['a stream of the Web', () => new Blob(['in']).stream()],
  ])('takes %s as input', async (_, source) => {
    const buildlet = await withSessions();
    expect((await buildlet.run('cat', [], { stdin: source() })).stdout).toBe('in');
  });

  it('refuses an invalid source', async () => {
    const buildlet = await withSessions();
    const stdin = 7 as unknown as string;
    await expect(buildlet.run('cat', [], { stdin })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  it('is ended by kill, also when it has already ended', async () => {
    const buildlet = await withSessions();
    const run = buildlet.run('sh', ['-c', 'echo on; exec sleep 1000']);
    for await (const _ of run) break;
    await run.kill('SIGINT');
    expect(await run).toMatchObject({ ok: false, signal: 'SIGINT' });
    await run.kill();
  });

  it('that is detached continues, and can be attached to by its id', async () => {
    const buildlet = await withSessions();
    const run = buildlet.run('sh', ['-c', 'echo on; exec sleep 1000'], { id: 'left' });
    for await (const _ of run) break;
    expect(await run.detach()).toBe('left');
    await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const again = buildlet.attach('left');
    for await (const line of again) {
      expect(line).toBe('on');
      break;
    }
    await again.kill('SIGKILL');
    expect(await again).toMatchObject({ id: 'left', signal: 'SIGKILL', stdout: 'on\n' });
    await expect(buildlet.attach('other')).rejects.toMatchObject({ code: 'ERR_UNKNOWN_SESSION' });
  });

  it('fails with ERR_CLOSED when its buildlet is disconnected', async () => {
    const buildlet = await withSessions();
    const run = buildlet.run('sh', ['-c', 'echo on; exec sleep 1000']);
    for await (const _ of run) break;
    await buildlet.disconnect();
    await expect(run).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

it('a reader of output that was dropped is told of the gap in its place', async () => {
  const { address } = await startBuildlet({ sessions: { quotaBytes: 1 << 20 } });
  const { gomote } = await openTestGomote();
  const buildlet = await gomote.get(`x@${address}`);
  const { id } = await buildlet.run('head', ['-c', '3000000', '/dev/zero'], { maxBuffer: 0 });
  const read = async () => {
    const seen: string[] = [];
    let total = 0;
    const count = (what: string, bytes: number) => {
      seen.push(what);
      total += bytes;
    };
    const run = buildlet.attach(id, {
      maxBuffer: 0,
      onOutput: (bytes) => count('output', bytes.length),
      onGap: (bytes) => count('gap', bytes),
    });
    const code = await run.then(
      () => undefined,
      (error: unknown) => (isGomoteError(error) ? error.code : error),
    );
    return { first: seen[0], code, total };
  };
  // The quota is kept some time after the output has been read.
  await until(async () => (await read()).code !== undefined);
  expect(await read()).toEqual({ first: 'gap', code: 'ERR_LOST', total: 3_000_000 });
});
