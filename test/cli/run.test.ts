import { EventEmitter } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exactArguments, exactVariable } from '../../src/cli/raw-arguments.ts';
import { readEnvironmentFile, readVariable } from '../../src/cli/run/run-environment.ts';
import { buildletFeatures } from '../../src/protocol/features.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { until } from '../helpers/processes.ts';
import { ending, workshop } from '../helpers/programs.ts';

async function setUp(options: Parameters<typeof startBuildlet>[0] = {}) {
  const buildlet = await startBuildlet(options);
  return { buildlet, cli: testCli(), name: `x@${buildlet.address}` };
}

describe('run', () => {
  it('gives a line to a shell with --sh, before the name and after it', async () => {
    const { cli, name } = await setUp();
    const line = 'printf "%s\\n" "$1" b | sort -r';
    expect((await cli(['run', '--sh', line, name, 'a'])).stdout).toBe('b\na\n');
    expect((await cli(['run', name, '--sh', line, 'a'])).stdout).toBe('b\na\n');
  });

  it('passes standard input if it is data, and writes each stream where the option says', async () => {
    const { cli, name } = await setUp();
    const script = 'read a; echo "out $a"; echo "err $a" >&2; exit 9';
    expect(await cli(['run', name, 'sh', '-c', script], { stdin: ['in\n'] })).toEqual({
      code: 9,
      stdout: 'out in\n',
      stderr: 'err in\n',
    });
  });

  it('passes variables by value, by name and from files', async () => {
    const { cli, name, buildlet } = await setUp();
    const file = join(buildlet.workDir, 'env');
    writeFileSync(file, '# mine\nA=from file\n\nB=x=y\nHERE\nNOWHERE\n');
    const { stdout } = await cli(
      ['run', '--env-file', file, '-e', 'A=1', '-e', 'HERE', name, 'env'],
      {
        environment: { HERE: 'it is' },
      },
    );
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['A=1', 'B=x=y', 'HERE=it is']));
    expect(stdout).not.toContain('NOWHERE');
    expect(readVariable('-e', 'X', { X: '' })).toEqual(['X=']);
    expect(() => readEnvironmentFile('/no/such', {})).toThrow('no such file');
  });

  it('writes a JSON report of how the command ended', async () => {
    const { cli, name, buildlet } = await setUp();
    const file = join(buildlet.workDir, 'status');
    const report = async (...argv: string[]) => {
      const { code } = await cli(['run', '--status-json', file, ...argv]);
      return { code, ...JSON.parse(readFileSync(file, 'utf8')) };
    };
    expect(await report('--id', 'one', name, 'sh', '-c', 'echo hello; exit 4')).toEqual({
      origin: 'remote',
      code: 4,
      signal: null,
      durationMs: expect.any(Number),
      bytes: { stdout: 6, stderr: 0 },
      sha256: {
        stdout: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
        stderr: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      },
      id: 'one',
      usage: expect.objectContaining({ cpuMs: expect.any(Number) }),
      retrySafe: false,
    });
    expect(await report(name, 'sh', '-c', 'kill -9 $$')).toMatchObject({
      origin: 'remote',
      code: 137,
      signal: 'SIGKILL',
    });
    expect(await report('--timeout', '50ms', name, 'sleep', '9')).toMatchObject({
      origin: 'timeout',
      code: 124,
      signal: 'SIGTERM',
    });
    expect(await report(name, 'no-such')).toMatchObject({ code: 127, retrySafe: true });
    expect(await report('x@unix:/no/such', 'true')).toMatchObject({
      origin: 'transport',
      code: 125,
      retrySafe: true,
      id: null,
    });
    expect(await report('x@unix:/no/such', '--bad')).toMatchObject({ origin: 'usage', code: 125 });
  });

  it('ends a command that prints nothing for too long', async () => {
    const { cli, name } = await setUp();
    const result = await cli(['run', '--idle-timeout', '80ms', name, 'sleep', '9']);
    expect(result).toMatchObject({ code: 124, stderr: expect.stringContaining('without output') });
  });

  it('leaves a run behind with --detach, which attach and logs continue', async () => {
    const { cli, name, buildlet } = await setUp();
    const go = join(buildlet.workDir, 'go');
    const script = `echo one; echo two >&2; while [ ! -e ${go} ]; do sleep 0.02; done; echo three; exit 6`;
    const { stdout: id } = await cli(['run', '--detach', name, 'sh', '-c', script]);
    await until(async () => (await cli(['logs', name, id.trim()])).stderr === 'two\n');
    expect(await cli(['logs', name, id.trim()])).toEqual({
      code: 0,
      stdout: 'one\n',
      stderr: 'two\n',
    });
    writeFileSync(go, '');
    const whole = { code: 6, stdout: 'one\nthree\n', stderr: 'two\n' };
    expect(await cli(['attach', name, id.trim()])).toEqual(whole);
    expect(await cli(['logs', '-f', name, id.trim()])).toEqual({ ...whole, code: 0 });
    expect(await cli(['logs', '--tail', '1', name, id.trim()])).toMatchObject({
      stdout: 'three\n',
      stderr: '',
    });
    expect(await cli(['logs', '--tail', '2', '-f', name, id.trim()])).toMatchObject({
      stdout: 'three\n',
      stderr: 'two\n',
    });
  });

  it('verifies by logs --verify that a copy is complete', async () => {
    const { cli, name, buildlet } = await setUp();
    const script = 'echo out; sleep 0.05; echo err >&2; sleep 0.05; echo end';
    await cli(['run', '--id', 'v', name, 'sh', '-c', script]);
    const verify = async (text: string) => {
      const file = join(buildlet.workDir, 'copy');
      writeFileSync(file, text);
      const { code, stderr } = await cli(['logs', '--verify', file, name, 'v']);
      return [code, stderr];
    };
    const whole = (what: string) => [0, expect.stringContaining(`is the whole ${what} of run v`)];
    expect(await verify('out\nend\n')).toEqual(whole('stdout'));
    expect(await verify('err\n')).toEqual(whole('stderr'));
    expect(await verify('out\nerr\nend\n')).toEqual(whole('output'));
    expect(await verify('out\nend')).toEqual([
      1,
      expect.stringContaining('has 7 bytes; the run wrote 8'),
    ]);
    expect(await verify('out\nEnd\n')).toEqual([1, expect.stringContaining('but not the same')]);
  });

  it('reports which run is not known', async () => {
    const { cli, name } = await setUp();
    expect(await cli(['attach', name, 'gone'])).toMatchObject({ code: 125 });
    expect(await cli(['logs', name, 'gone'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has no run "gone"'),
    });
  });
});

describe('run on a buildlet without sessions', () => {
  const features = buildletFeatures.filter((name) => name !== 'session');

  it('uses the base protocol, with one request more', async () => {
    const { cli, name } = await setUp({ features });
    const result = await cli(['--verbose', 'run', name, 'sh', '-c', 'echo out; exit 3']);
    expect(result).toMatchObject({ code: 3, stdout: 'out\n' });
    expect(result.stderr.match(/\/\S+ \d+/g)).toEqual([
      expect.stringMatching(/^\/session\S+ 404$/),
      '/exec 200',
    ]);
  });

  it.each([['--detach'], ['-i'], ['--idle-timeout=1s'], ['--id=x'], ['--on-hangup=detach']])(
    'refuses %s before anything runs',
    async (option) => {
      const { cli, name, buildlet } = await setUp({ features });
      const result = await cli(['run', option, name, 'touch', join(buildlet.workDir, 'ran')]);
      expect(result).toMatchObject({
        code: 125,
        stderr: expect.stringContaining('has no sessions'),
      });
      expect((await cli(['ls', name])).stdout).toBe('');
    },
  );

  it('warns that input does not arrive', async () => {
    const { cli, name } = await setUp({ features });
    const { stderr } = await cli(['run', name, 'cat'], { stdin: ['x'] });
    expect(stderr).toContain('its commands get no input');
  });
});

describe('a run that is interrupted', () => {
  const interrupted = async (script: string, names: NodeJS.Signals[], ...options: string[]) => {
    const { cli, name, buildlet } = await setUp();
    const signals = new EventEmitter<{ signal: [NodeJS.Signals] }>();
    const argv = [
      'run',
      '--id',
      'r',
      ...options,
      name,
      'sh',
      '-c',
      `${script}\necho x > ready; wait`,
    ];
    const running = cli([...argv], { signals });
    const ready = join(buildlet.workDir, 'ready');
    await until(() => readFileSync(ready, { encoding: 'utf8', flag: 'a+' }) !== '');
    for (const one of names) {
      signals.emit('signal', one);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return { ...(await running), cli, name };
  };
  const sleeping = 'sleep 1000 &';

  it.each([
    ['by Ctrl-C, when the command does not mind', ['SIGINT'], `trap "exit 5" INT; ${sleeping}`, 5],
    ['by Ctrl-C', ['SIGINT'], sleeping, 130],
    ['by a second Ctrl-C', ['SIGINT', 'SIGINT'], `trap "" INT; ${sleeping}`, 143],
    ['by SIGTERM', ['SIGTERM'], `trap "exit 0" TERM; ${sleeping}`, 143],
    ['by SIGHUP', ['SIGHUP'], sleeping, 129],
  ] as const)('ends %s', async (_, names, script, code) => {
    const result = await interrupted(script, [...names], '--kill-after', '200ms');
    expect(result.code).toBe(code);
  });

  it('by a third Ctrl-C is left running', async () => {
    const result = await interrupted(
      `trap "" INT TERM; ${sleeping}`,
      ['SIGINT', 'SIGINT', 'SIGINT'],
      '--kill-after',
      '1h',
    );
    expect(result).toMatchObject({ code: 130, stderr: expect.stringContaining('gomote attach') });
    expect((await result.cli(['ps', result.name])).stdout).toMatch(/^r\s+detached/);
  });

  it('by SIGHUP is left running with --on-hangup detach', async () => {
    const result = await interrupted(sleeping, ['SIGHUP'], '--on-hangup', 'detach');
    expect(result.code).toBe(129);
    expect((await result.cli(['ps', result.name])).stdout).toMatch(/^r\s+detached/);
  });
});

describe('the arguments of this process', () => {
  it('keep their bytes if they are not UTF-8', () => {
    const line = Buffer.from('node\0gomote\0:\0:a\xff\0:plain\0:\0', 'latin1');
    const own = ['node', 'gomote', ':', ':a\uFFFD', ':plain', ':'];
    const args = ['a\uFFFD', 'plain', ''];
    expect(exactArguments(args, { own, read: () => line })).toEqual(['a\udcff', 'plain', '']);
    const real = { own: ['node', '\uFFFD'], read: () => Buffer.from('node\0\uFFFD\0') };
    expect(exactArguments(['\uFFFD'], real)).toEqual(['\uFFFD']);
    // Not this process's: a caller of the library's own.
    expect(exactArguments(['b\uFFFD'], { own, read: () => line })).toEqual(['b\uFFFD']);
  });

  it('are an error where the system does not give their bytes', () => {
    const own = ['node', 'gomote', 'a\uFFFD'];
    const read = () => {
      throw new Error('no /proc');
    };
    expect(() => exactArguments(['a\uFFFD'], { own, read })).toThrow(/"a\uFFFD" may not be as it/);
    expect(() => exactVariable('A', { A: '\uFFFD' }, read)).toThrow(/the value of A may not be/);
    expect(exactVariable('A', { A: 'x' }, read)).toBe('x');
    const environ = () => Buffer.from('AA=1\0A=\xff\0', 'latin1');
    expect(exactVariable('A', { A: '\uFFFD' }, environ)).toBe('\udcff');
  });

  it('reach a command unchanged, every byte but NUL', async () => {
    const { start, create, directory } = workshop();
    const name = await create();
    const all = Array.from({ length: 255 }, (_, i) => `\\0${(i + 1).toString(8).padStart(3, '0')}`);
    // Node passes text only; a shell passes any bytes.
    const script = `arg=$(printf '%b.' '${all.join('')}'); exec gomote run ${name} printf %s "\${arg%.}"`;
    writeFileSync(join(directory, 'script'), script);
    const { stdout, code } = await ending(start('sh', ['script']));
    expect(code).toBe(0);
    expect([...stdout]).toEqual(Array.from({ length: 255 }, (_, i) => i + 1));
  });
});
