// Commands on several real local buildlets at once.
import { execFileSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testCli } from '../../helpers/cli.ts';
import { until } from '../../helpers/processes.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

async function withBuildlets(count: number) {
  const cli = testCli();
  const { stdout } = await cli(['create', '--count', `${count}`, 'local']);
  const names = stdout.trim().split('\n');
  return { cli, names, all: names.join(',') };
}

const sorted = (text: string): string[] => text.split('\n').filter(Boolean).sort();

describe('run on several buildlets', () => {
  it('prints lines behind names, keeps stdout and stderr apart, and gives the common status', async () => {
    const { cli, names, all } = await withBuildlets(3);
    const script = 'echo out; echo err >&2; printf tail; exit 7';
    const { code, stdout, stderr } = await cli(['run', all, 'sh', '-c', script]);
    expect(code).toBe(7);
    expect(sorted(stdout)).toEqual(names.flatMap((name) => [`${name}| out`, `${name}| tail`]));
    expect(sorted(stderr.replace(/^gomote: failed.*\n/m, ''))).toEqual(
      names.map((name) => `${name}| err`),
    );
    expect(stderr).toMatch(/^gomote: failed on 3 of 3: me-local-\d \(7\), /m);
  });

  const statuses: Record<string, { scripts: readonly string[]; code: number }> = {
    'of one that failed is 1': { scripts: ['exit 0', 'exit 0', 'exit 4'], code: 1 },
    'of all that failed differently is 1': { scripts: ['exit 2', 'exit 3', 'exit 4'], code: 1 },
    'of all that were not found is 127': { scripts: ['', '', ''], code: 127 },
  };
  for (const [title, { scripts, code }] of Object.entries(statuses)) {
    it(`gives the status ${title}`, async () => {
      const { cli, names, all } = await withBuildlets(3);
      for (const [i, name] of names.entries()) {
        if (scripts[i]) await cli(['put', name, '-', 'x'], { stdin: [`${scripts[i]}\n`] });
      }
      const command = scripts[0] === '' ? ['no-such-command'] : ['sh', 'x'];
      expect(await cli(['run', '--dir', '.', all, ...command])).toMatchObject({ code });
    });
  }

  it('gives the status 125 when one cannot be reached, and the others still run', async () => {
    const { cli, all } = await withBuildlets(2);
    const { code, stdout, stderr } = await cli(['run', `me-local-77,${all}`, 'echo', 'hi']);
    expect({ code, lines: sorted(stdout) }).toEqual({
      code: 125,
      lines: ['me-local-0| hi', 'me-local-1| hi'],
    });
    expect(stderr).toContain('me-local-77| gomote: no local buildlet "me-local-77"');
    expect(stderr).toContain('failed on 1 of 3: me-local-77 (125)');
  });

  it('gives each of them all of standard input', async () => {
    const { cli, names, all } = await withBuildlets(2);
    const stdin = Array.from({ length: 2000 }, (_, i) => `${i} ${'x'.repeat(200)}\n`);
    const { stdout, code } = await cli(['run', all, 'md5sum'], { stdin });
    expect(code).toBe(0);
    const digests = new Set(sorted(stdout).map((line) => line.replace(/^.*\| /, '')));
    expect(digests.size).toBe(1);
    const { stdout: one } = await cli(['run', names[0] ?? '', 'md5sum'], { stdin });
    expect([...digests]).toEqual([one.trim()]);
  });

  it('with --collapse prints equal outputs once, with the names, in the order they were given', async () => {
    const { cli, names, all } = await withBuildlets(3);
    await cli(['put', names[1] ?? '', '-', 'x'], { stdin: ['different'] });
    await cli(['put', `${names[0]},${names[2]}`, '-', 'x'], { stdin: ['same\n'] });
    const { stdout, stderr, code } = await cli([
      'run',
      '--dir',
      '.',
      '--collapse',
      all,
      'cat',
      'x',
    ]);
    expect({ stdout, stderr, code }).toEqual({
      stdout: '# me-local-0, me-local-2\nsame\n\n# me-local-1\ndifferent\n\n',
      stderr: '',
      code: 0,
    });
  });

  it('with -o writes files and prints nothing', async () => {
    const { cli, names, all } = await withBuildlets(2);
    const directory = join(temporaryDirectory(), 'out');
    const script = 'echo out; echo err >&2';
    const result = await cli(['run', '-o', directory, all, 'sh', '-c', script]);
    expect(result).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readdirSync(directory).sort()).toEqual(
      names.flatMap((name) => [`${name}.stderr`, `${name}.stdout`]),
    );
    expect(readFileSync(join(directory, 'me-local-1.stdout'), 'utf8')).toBe('out\n');
    expect(readFileSync(join(directory, 'me-local-1.stderr'), 'utf8')).toBe('err\n');
    // Of one buildlet as well.
    await cli(['run', '-o', join(directory, 'one'), 'me-local-0', 'echo', 'hi']);
    expect(readFileSync(join(directory, 'one/me-local-0.stdout'), 'utf8')).toBe('hi\n');
    expect(await cli(['run', '-o', '/dev/null/x', all, 'true'])).toMatchObject({ code: 125 });
  });

  it('with --fail-fast ends the others', async () => {
    const { cli, names, all } = await withBuildlets(2);
    await cli(['put', names[1] ?? '', '-', 'x'], { stdin: ['exit 3'] });
    await cli(['put', names[0] ?? '', '-', 'x'], { stdin: ['sleep 98765'] });
    const result = await cli(['run', '--fail-fast', '--dir', '.', all, 'sh', 'x']);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain('gomote: failed on 1 of 2: me-local-1 (3)');
    expect(result.stderr).toContain('gomote: ended before they were done: me-local-0');
  });

  it('passes Ctrl-C to all of them', async () => {
    const { cli, names, all } = await withBuildlets(2);
    const signals = new EventEmitter<{ signal: [NodeJS.Signals] }>();
    const directory = temporaryDirectory();
    const script = `trap 'echo got; exit 9' INT; touch ${directory}/$$; while :; do sleep 0.05; done`;
    const running = cli(['run', all, 'sh', '-c', script], { signals });
    await until(() => readdirSync(directory).length === 2);
    signals.emit('signal', 'SIGINT');
    const { code, stdout } = await running;
    expect(code).toBe(9);
    expect(sorted(stdout)).toEqual(names.map((name) => `${name}| got`));
    expect(signals.listenerCount('signal')).toBe(0);
  });

  it('has no terminal for several', async () => {
    const { cli, all } = await withBuildlets(2);
    expect(await cli(['run', '-t', all, 'true'])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('-t is for one buildlet, not for 2'),
    });
    expect(await cli(['shell', all])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('shell is for one buildlet, not for 2'),
    });
  });

  it('neither loses nor tears a line of long output', async () => {
    const { cli, names, all } = await withBuildlets(4);
    const [lines, width] = [20_000, 90];
    const line = `%06d ${'x'.repeat(width)}`;
    const script = `awk 'BEGIN { for (i = 0; i < ${lines}; i++) printf "${line}\\n", i }'`;
    const { bytes, code } = await cli(['run', all, 'sh', '-c', script]);
    expect(code).toBe(0);
    const next = new Map(names.map((name) => [name, 0]));
    for (const one of bytes.toString('latin1').trimEnd().split('\n')) {
      const [, name = '', number = ''] = /^(\S+)\| (\d{6}) x{90}$/.exec(one) ?? [];
      const expected = next.get(name);
      if (expected !== Number(number)) expect.fail(`${one} in place of line ${expected}`);
      next.set(name, Number(number) + 1);
    }
    expect([...next.values()]).toEqual(names.map(() => lines));
  });
});

describe('other commands on several buildlets', () => {
  it('work on each', async () => {
    const { cli, names, all } = await withBuildlets(2);
    await cli(['put', all, '-', 'dir/f'], { stdin: ['text'] });
    const listed = await cli(['ls', all, 'dir']);
    for (const name of names)
      expect(listed.stdout).toMatch(new RegExp(`^${name}\\| -rw-.*\tf\t4`, 'm'));
    expect(await cli(['rm', all, 'dir'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect((await cli(['ls', all])).stdout).toBe('');
    const pinged = await cli(['ping', `${all},me-local-88`]);
    expect(pinged.code).toBe(1);
    expect(pinged.stderr).toContain('me-local-0| me-local-0 answers');
  });

  it('fetch into a separate place for each', async () => {
    const { cli, names, all } = await withBuildlets(2);
    for (const name of names) await cli(['put', name, '-', 'f'], { stdin: [name] });
    const directory = temporaryDirectory();
    const read = (file: string) => readFileSync(join(directory, file), 'utf8');
    expect(await cli(['get', all, 'f', `${directory}/`])).toMatchObject({ code: 0 });
    expect(names.map((name) => read(`${name}/f`))).toEqual(names);
    expect((await cli(['get', all, 'f', '-'])).stdout.split('\n').sort()).toEqual([
      '',
      ...names.map((name) => `${name}| ${name}`),
    ]);
    expect(await cli(['pull', all, '.', join(directory, 'pulled')])).toMatchObject({ code: 0 });
    expect(names.map((name) => read(`pulled/${name}/f`))).toEqual(names);
    expect(await cli(['gettar', '-o', directory, all])).toMatchObject({ code: 0 });
    for (const name of names) {
      const listed = execFileSync('tar', ['-xzOf', join(directory, `${name}.tar.gz`)]).toString();
      expect(listed).toBe(name);
    }
    expect(await cli(['gettar', '-o', '-', all])).toMatchObject({ code: 2 });
  });

  it('report once what is wrong with the arguments', async () => {
    const { cli, all } = await withBuildlets(2);
    expect(await cli(['rm', all])).toEqual({
      code: 2,
      stdout: '',
      stderr: "gomote: missing required argument 'path'; see gomote rm -h\n",
    });
    const { stderr, code } = await cli(['ping', all, 'x']);
    expect({ stderr, code }).toEqual({
      code: 2,
      stderr:
        "gomote: too many arguments for 'ping': expected 1 argument but got 2; see gomote ping -h\n",
    });
  });

  it('include destroy with a list', async () => {
    const { cli, all } = await withBuildlets(2);
    expect(await cli(['destroy', all])).toMatchObject({ code: 0 });
    expect((await cli(['list'])).stdout).toBe('');
  });
});
