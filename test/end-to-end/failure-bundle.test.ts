// What a run that failed leaves in one file, and what gomote doctor makes of it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { buildletFeatures } from '../../src/protocol/features.ts';
import { encodeHeader } from '../../src/tar/tar-header.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { openTestGomote } from '../helpers/gomote.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const secret = 'hunter2hunter2';

async function atBuildlet() {
  const cli = testCli();
  const name = (await cli(['create', 'local'])).stdout.trim();
  const directory = temporaryDirectory();
  const file = join(directory, 'failure.tar.gz');
  const run = (options: string[], ...command: string[]) =>
    cli(['run', '--bundle-on-failure', file, ...options, name, ...command]);
  const report = async () => JSON.parse((await cli(['doctor', '--json', file])).stdout);
  return { cli, name, directory, file, run, report };
}

describe('gomote run --bundle-on-failure', () => {
  it('describes a failed run completely, without the values of variables', async () => {
    const { cli, name, file, run, report } = await atBuildlet();
    const script = 'echo out; echo err >&2; exit 3';
    const result = await run(['-e', `TOKEN=${secret}`, '--timeout', '60s'], 'sh', '-c', script);
    expect(result).toMatchObject({ code: 3, stdout: 'out\n' });
    expect(result.stderr).toContain(`# wrote ${file}; look at it: gomote doctor ${file}\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const names = execFileSync('tar', ['tzf', file], { encoding: 'utf8' }).trim().split('\n');
    expect(names.sort()).toEqual(['failure.json', 'output.txt', 'stderr', 'stdout']);
    const plain = gunzipSync(readFileSync(file)).toString('latin1');
    expect(plain).not.toContain(secret);
    expect(plain).toMatch(/[0-9]{4}-\S+Z stdout\| out\n/);
    expect(await report()).toMatchObject({
      ...{ format: 'gomote-failure/1', outcome: 'ended', exitCode: 3, error: null },
      run: {
        ...{ command: ['sh', '-c', script], directory: '.', timeoutMs: 60_000, tty: false },
        environment: ['TOKEN'],
        end: { code: 3, why: 'exit', state: 'exit status 3' },
      },
      output: { stdout: { bytes: 4, keptBytes: 4 }, stderr: { bytes: 4, keptBytes: 4 } },
      tree: { directory: '.', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      buildlet: { name, software: { node: process.version } },
      client: { node: process.version },
    });
    const { stdout, code } = await cli(['doctor', file]);
    expect(code).toBe(0);
    expect(stdout).toContain("command      sh -c 'echo out; echo err >&2; exit 3'\n");
    expect(stdout).toContain('ended        exit status 3 (exit)\n');
    expect(stdout).toMatch(/Z stderr\| err\n/);
  });

  it('writes nothing when the command succeeds, or when there is no buildlet', async () => {
    const { directory, file, run } = await atBuildlet();
    expect(await run([], 'true')).toMatchObject({ code: 0, stderr: '' });
    expect(await testCli()(['run', '--bundle-on-failure', file, 'nosuch', 'true'])).toMatchObject({
      code: 125,
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each<[string, string[], string[], number, object]>([
    [
      'ran out of time',
      ['--timeout', '300ms'],
      ['sh', '-c', 'echo up; sleep 1000'],
      124,
      { run: { end: { why: 'timeout' } }, error: { code: 'ERR_TIMEOUT' } },
    ],
    [
      'cannot be started',
      [],
      ['no-such-command'],
      127,
      { run: { end: { why: 'not-started' } }, error: { code: 'ERR_NOT_STARTED' } },
    ],
    [
      'ended by a signal',
      [],
      ['sh', '-c', 'kill -SEGV $$'],
      139,
      { run: { end: { signal: 'SIGSEGV' } }, error: null },
    ],
  ])('reports a command that %s', async (_, options, command, code, wanted) => {
    const { run, report } = await atBuildlet();
    expect(await run(options, ...command)).toMatchObject({ code });
    expect(await report()).toMatchObject({ outcome: 'ended', exitCode: code, ...wanted });
  });

  it('holds the last run of several', async () => {
    const { run, report, cli, file } = await atBuildlet();
    const script = 'N=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $N >n; echo run $N; exit 1';
    await run(['--retry', '2'], 'sh', '-c', script);
    expect((await report()).output.stdout.bytes).toBe(6);
    expect((await cli(['doctor', file])).stdout).toMatch(/stdout\| run 3\n$/);
  });

  it('is written when the outcome of the command is unknown', async () => {
    const { cli, name, file, report } = await atBuildlet();
    const script = 'echo before; kill -KILL $PPID; sleep 1000';
    const options = ['--reconnect', '0s', '--bundle-on-failure', file];
    expect(await cli(['run', ...options, name, 'sh', '-c', script])).toMatchObject({ code: 125 });
    expect(await report()).toMatchObject({
      ...{ outcome: 'unknown', exitCode: 125, tree: null, error: expect.anything() },
      run: { end: null },
      buildlet: { software: null },
    });
    expect((await cli(['doctor', file])).stdout).toContain('the outcome is unknown');
  });

  it('that cannot be written changes nothing else', async () => {
    const { cli, name, directory } = await atBuildlet();
    const file = join(directory, 'no', 'such');
    const result = await cli(['run', '--bundle-on-failure', file, name, 'sh', '-c', 'exit 4']);
    expect(result).toMatchObject({ code: 4 });
    expect(result.stderr).toContain(`cannot write "${file}"`);
  });

  it('works on a buildlet without sessions', async () => {
    const { address } = await startBuildlet({
      features: [],
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    });
    const { file, report } = await atBuildlet();
    const words = ['--bundle-on-failure', file, `x@${address}`, 'sh', '-c', 'echo hi; exit 5'];
    expect(await testCli()(['run', ...words])).toMatchObject({ code: 5, stdout: 'hi\n' });
    expect(await report()).toMatchObject({
      outcome: 'ended',
      exitCode: 5,
      output: { stdout: { bytes: 3 } },
    });
  });

  it('works for gomote once', async () => {
    const { cli, file, report } = await atBuildlet();
    const words = [
      'once',
      '--no-push',
      '--bundle-on-failure',
      file,
      'local',
      '--',
      'sh',
      '-c',
      'exit 6',
    ];
    expect(await cli(words)).toMatchObject({ code: 6 });
    expect(await report()).toMatchObject({ exitCode: 6 });
  });
});

describe('a run of the library with bundleOnFailure', () => {
  it.each([
    ['with sessions', buildletFeatures],
    ['without', []],
  ])('leaves a bundle: %s', async (_, features) => {
    const { address } = await startBuildlet({ features });
    const { gomote } = await openTestGomote();
    const buildlet = await gomote.get(`x@${address}`);
    const bundleOnFailure = join(temporaryDirectory(), 'f.tar.gz');
    expect(await buildlet.run('true', [], { bundleOnFailure })).toMatchObject({ ok: true });
    expect(existsSync(bundleOnFailure)).toBe(false);
    const run = buildlet.run('sh', ['-c', 'echo hi; exit 7'], { bundleOnFailure });
    expect(await run).toMatchObject({ exitCode: 7, stdout: 'hi\n' });
    const { stdout } = await testCli()(['doctor', '--json', bundleOnFailure]);
    expect(JSON.parse(stdout)).toMatchObject({
      exitCode: null,
      outcome: 'ended',
      output: { stdout: { bytes: 3 } },
    });
    const nowhere = buildlet.run('false', [], { bundleOnFailure: '/nosuch/f' });
    await expect(nowhere).rejects.toMatchObject({ code: 'ERR_LOCAL_FILE' });
  });
});

/** An archive of these files. */
function archive(...files: [name: string, content: string | Buffer][]): Buffer {
  const blocks = files.flatMap(([name, content]) => {
    const bytes = Buffer.from(content);
    const header = encodeHeader({
      name,
      type: 'File',
      mode: 0o644,
      sizeBytes: bytes.length,
      mtimeMs: 0,
    });
    return [header, bytes, Buffer.alloc(-bytes.length & 511)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1_024)]));
}

describe('gomote doctor FILE', () => {
  it('escapes control characters of a bundle', async () => {
    const { cli, file, run } = await atBuildlet();
    await run(['-e', 'X\x1b=1'], 'sh', '-c', 'printf "\\033]0;evil\\007\\n"; exit 1');
    const { stdout } = await cli(['doctor', file]);
    expect(stdout).not.toContain('\x1b');
    expect(stdout).toContain('evil');
  });

  it.each<[string, Buffer | undefined]>([
    ['nothing', Buffer.alloc(0)],
    ['no archive', Buffer.from('hello')],
    ['text in gzip', gzipSync('hello')],
    ['another archive', archive(['x', 'y'])],
    ['a report that is none', archive(['failure.json', '{"format":"gomote-failure/1"}'])],
    ['a report that nests', archive(['failure.json', '['.repeat(1 << 20)])],
    ['a report twice', archive(['failure.json', '{}'], ['failure.json', '{}'])],
    ['a bomb', gzipSync(Buffer.alloc(200 << 20))],
    ['a bomb as the report', archive(['failure.json', Buffer.alloc(100 << 20, ' ')])],
    ['a directory', undefined],
  ])('refuses %s', async (_, content) => {
    const file = join(temporaryDirectory(), 'f');
    if (content === undefined) mkdirSync(file);
    else writeFileSync(file, content);
    const { code, stdout, stderr } = await testCli()(['doctor', file]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`"${file}" is not a failure bundle: `);
  });

  it('refuses a bundle that was cut or changed, a FIFO, and a file that cannot be read', async () => {
    const { cli, file, directory, run } = await atBuildlet();
    await run([], 'sh', '-c', 'echo hello; exit 1');
    const whole = readFileSync(file);
    for (const cut of [1, 100, whole.length - 9]) {
      writeFileSync(file, whole.subarray(0, cut));
      expect(await cli(['doctor', file])).toMatchObject({ code: 1, stdout: '' });
    }
    const plain = gunzipSync(whole);
    plain.write('HELLO', plain.lastIndexOf('hello'));
    writeFileSync(file, gzipSync(plain));
    expect((await cli(['doctor', file])).stderr).toContain('its stdout is not as it was written');
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    expect(await cli(['doctor', fifo])).toMatchObject({ code: 1 });
    // A file for its size and mode, of which no byte can be read.
    const stderr = expect.stringContaining('EIO');
    expect(await cli(['doctor', '/proc/self/mem'])).toMatchObject({ code: 1, stderr });
  });
});
