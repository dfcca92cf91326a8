// Node looks for its own options among all arguments: those of gomote and of remote commands must be none of its business.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ending, gomoteProgram, projectRoot, workshop } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** Every option that this Node has, in each way it may be written, and those of others. */
function optionsOfNode(): string[] {
  const help = execFileSync(process.execPath, ['--help'], { encoding: 'utf8' });
  const documented = [...help.matchAll(/(?<=[\s,])--?[a-zA-Z][\w-]*/g)].map(([option]) => option);
  const known = [...process.allowedNodeEnvironmentFlags, ...documented];
  const elsewhere = ['env-file', 'env-file-if-exists', 'experimental-config-file', 'config-file'];
  const all = new Set([
    ...known,
    ...elsewhere.map((name) => `--${name}`),
    '--experimental-default-config-file',
  ]);
  return [...all].flatMap((option) => [option, `${option}=nosuch`]);
}

describe('arguments', () => {
  it('of a remote command may be any options of Node', async () => {
    const { create, gomote } = workshop();
    const name = await create();
    const options = optionsOfNode();
    expect(options.length).toBeGreaterThan(200);
    const told = await gomote('run', name, 'printf', '%s\\n', '--', ...options);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout.toString().split('\n').slice(1, -1)).toEqual(options);
  });

  it.each([
    ['--env-file=/nosuch'],
    ['--env-file', '/nosuch'],
    ['--env-file-if-exists=/nosuch'],
    ['--experimental-config-file=/nosuch'],
    ['--experimental-config-file', '/nosuch'],
    ['--experimental-default-config-file'],
  ])('reach a run with %s', async (...options) => {
    const { create, gomote } = workshop();
    const told = await gomote('run', await create(), 'echo', ...options);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout.toString()).toBe(`${options.join(' ')}\n`);
  });

  it('that name a file with NODE_OPTIONS run no code here', async () => {
    const { directory, create, gomote } = workshop();
    writeFileSync(join(directory, 'preload.cjs'), 'require("fs").writeFileSync("seen", "")');
    writeFileSync(join(directory, 'app.env'), `NODE_OPTIONS=-r ${directory}/preload.cjs\nA=1\n`);
    const name = await create();
    const told = await gomote('run', '--env-file=app.env', name, 'sh', '-c', 'echo $A');
    expect(told).toMatchObject({ code: 0, stdout: Buffer.from('1\n') });
    expect(() => readFileSync(join(directory, 'seen'))).toThrow('ENOENT');
  });

  it('that are empty, have blanks, quotes, line ends or bytes that are not UTF-8, or are many, arrive unchanged', async () => {
    const { directory, create, run } = workshop();
    const name = await create();
    const odd = ['', ' ', 'a b', "it's", '"', '$HOME', '`id`', '*', '\\', 'a\nb', ':', '?', '-'];
    const many = Array.from({ length: 1_234 }, (_, i) => String(i));
    const told = await run('gomote', 'run', name, 'printf', '<%s>', ...odd, ...many);
    expect(told.stdout.toString()).toBe([...odd, ...many].map((one) => `<${one}>`).join(''));
    writeFileSync(join(directory, 'bytes'), `gomote run ${name} printf %s "$(printf '\\377')"`);
    expect((await run('sh', 'bytes')).stdout).toEqual(Buffer.from([0xff]));
  });
});

describe('the launcher', () => {
  it.each(['gomote', 'buildlet', 'coordinator'])(
    'finds %s through links with blanks in their names',
    async (program) => {
      const { directory, run } = workshop();
      mkdirSync(join(directory, 'a b'));
      symlinkSync(join(projectRoot, 'bin', `${program}.js`), join(directory, 'a b', 'one'));
      symlinkSync('one', join(directory, 'a b', 'two'));
      const told = await run(join(directory, 'a b', 'two'), '--help');
      expect(told).toMatchObject({ code: 0, stderr: '' });
      expect(told.stdout.toString()).toContain(program);
    },
  );

  it('is the same in all programs', () => {
    const [gomote, ...others] = ['gomote', 'buildlet', 'coordinator'].map((program) =>
      readFileSync(join(projectRoot, 'bin', `${program}.js`), 'utf8')
        .replace(/\*\/\n.*/s, '')
        .replaceAll(`'${program}: `, "'"),
    );
    for (const other of others) expect(other).toBe(gomote);
  });

  it.each([
    ['an unknown option', '--nosuch'],
    ['a module that is not there', '-r ./nosuch.cjs'],
    ['a module that ends the process', '-r ./end.cjs'],
  ])(
    'does not take the failure of NODE_OPTIONS with %s for the status of a remote command',
    async (_what, options) => {
      const { directory, environment, start, create } = workshop();
      writeFileSync(join(directory, 'end.cjs'), 'process.exit(3)');
      const name = await create();
      const env = { ...environment, NODE_OPTIONS: options };
      const told = await ending(start('gomote', ['run', name, 'true'], { env }));
      expect(told).toMatchObject({ code: 125, stdout: Buffer.alloc(0) });
      expect(told.stderr).toContain('NODE_OPTIONS');
    },
  );

  it('passes NODE_OPTIONS to Node', async () => {
    const { directory, environment, start, create } = workshop();
    writeFileSync(join(directory, 'seen.cjs'), 'require("fs").writeFileSync("seen", "")');
    const env = { ...environment, NODE_OPTIONS: '-r ./seen.cjs' };
    const name = await create();
    const told = await ending(start('gomote', ['run', name, 'false'], { env }));
    expect(told).toMatchObject({ code: 1, stderr: '' });
    expect(readFileSync(join(directory, 'seen'), 'utf8')).toBe('');
  });

  it('reports a missing Node, and exits with 125', async () => {
    const { directory, environment, start } = workshop();
    const bin = join(directory, 'empty');
    mkdirSync(bin);
    chmodSync(bin, 0o755);
    const told = await ending(
      start('/bin/sh', [gomoteProgram, 'run', 'N', 'true'], { env: { ...environment, PATH: bin } }),
    );
    expect(told).toMatchObject({ code: 125 });
    expect(told.stderr).toBe('gomote: Node.js is not installed, or not on PATH\n');
  });
});

describe('compiled code', () => {
  it.each(['gomote', 'buildlet', 'coordinator'])(
    'is not taken by %s from the directory of NODE_COMPILE_CACHE',
    (program) => {
      const directory = temporaryDirectory();
      const node = join(directory, 'node');
      writeFileSync(node, '#!/bin/sh\nexec env\n', { mode: 0o755 });
      const env = { PATH: `${directory}:${process.env.PATH}`, NODE_COMPILE_CACHE: "/tmp/it's one" };
      const told = execFileSync(join(projectRoot, 'bin', `${program}.js`), ['x'], { env });
      const lines = told.toString().split('\n');
      expect(lines.some((line) => line.startsWith('NODE_COMPILE_CACHE='))).toBe(false);
      expect(lines).toContain("GOMOTE_FOR_COMMANDS_NODE_COMPILE_CACHE=/tmp/it's one");
    },
  );
});
