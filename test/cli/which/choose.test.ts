// Which buildlet a command is for: the table of docs/which-buildlet.md, on real buildlets.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readProject } from '../../../src/cli/which/project.ts';
import { type Cli, inDirectory, testCli } from '../../helpers/cli.ts';

const done = (stdout = '', stderr = '') => ({ code: 0, stdout, stderr });

/** A project in which `count` buildlets were made, and an empty one beside it. */
async function withProject(count: number) {
  const cli = testCli();
  const [project, other] = [join(cli.directory, 'project'), join(cli.directory, 'other')];
  for (const directory of [project, other]) execFileSync('git', ['init', '-q', directory]);
  mkdirSync(join(project, 'below'));
  inDirectory(project);
  if (count > 0) await cli(['create', '--count', `${count}`, 'local']);
  return { cli, project, other };
}

interface Row {
  readonly buildlets: number;
  readonly before?: (cli: Cli) => Promise<unknown>;
  readonly environment?: NodeJS.ProcessEnv;
  readonly argv: readonly string[];
  /** What `hostname` of the fake kind, the buildlet's name, is printed by; absent: it fails. */
  readonly on?: readonly string[];
  readonly code?: number;
  readonly says?: string;
}

const only = '# Using me-local-0, the only buildlet of this project\n';
const use = (name: string) => (cli: Cli) => cli(['use', name]);
const group =
  (...names: string[]) =>
  async (cli: Cli) => {
    await cli(['group', 'create', 'g']);
    if (names.length > 0) await cli(['--group', 'g', 'group', 'add', ...names]);
  };
const fromGroup = '# Using group "g" from GOMOTE_GROUP\n';
const inGroup = { GOMOTE_GROUP: 'g' };

/** `cat where` prints the name of the buildlet. */
const rows: Record<string, Row> = {
  'the one that is named': {
    buildlets: 2,
    argv: ['me-local-1', 'cat', 'where'],
    on: ['me-local-1'],
  },
  'those in a list': {
    buildlets: 3,
    argv: ['me-local-0,me-local-2', 'cat', 'where'],
    on: ['me-local-0', 'me-local-2'],
  },
  'the only one of the project': {
    buildlets: 1,
    argv: ['cat', 'where'],
    on: ['me-local-0'],
    says: only,
  },
  'the only one whose backend is still in the configuration': {
    buildlets: 1,
    before: async (cli) => {
      const file = join(cli.directory, 'config/gomote/config.toml');
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(file, '[backends.other]\nkind = "local"\n', { mode: 0o600 });
      await cli(['create', '--backend', 'other', 'local']);
      rmSync(file);
    },
    argv: ['cat', 'where'],
    on: ['me-local-0'],
    says: only,
  },
  'the only one that is left': {
    buildlets: 2,
    before: (cli) => cli(['destroy', 'me-local-1']),
    argv: ['cat', 'where'],
    on: ['me-local-0'],
    says: only,
  },
  'none of several: they are listed': {
    buildlets: 2,
    argv: ['cat', 'where'],
    code: 125,
    says: 'gomote: which of me-local-0, me-local-1?; name one, or gomote use NAME\n',
  },
  'none where there is none: the first word is one that is missed': {
    buildlets: 0,
    argv: ['cat', 'where'],
    code: 125,
    says: 'no local buildlet "cat"',
  },
  'none when the name is one that has ended, whatever else there is': {
    buildlets: 2,
    before: (cli) => cli(['destroy', 'me-local-1']),
    argv: ['me-local-1', 'cat', 'where'],
    code: 125,
    says: 'no local buildlet "me-local-1"',
  },
  'none when its backend is misspelt': {
    buildlets: 1,
    argv: ['locl/me-local-0', 'cat', 'where'],
    code: 125,
    says: 'unknown backend "locl"',
  },
  'the one that is used': {
    buildlets: 2,
    before: use('me-local-1'),
    argv: ['cat', 'where'],
    on: ['me-local-1'],
    says: '# Using me-local-1, chosen by gomote use\n',
  },
  'the named one in place of the used one': {
    buildlets: 2,
    before: use('me-local-1'),
    argv: ['me-local-0', 'cat', 'where'],
    on: ['me-local-0'],
  },
  'none when the name has ended, also where one is used': {
    buildlets: 1,
    before: use('me-local-0'),
    argv: ['me-local-1', 'cat', 'where'],
    code: 125,
    says: 'no local buildlet "me-local-1"',
  },
  'none when the used one has ended': {
    buildlets: 2,
    before: async (cli) => {
      await cli(['use', 'me-local-1']);
      await cli(['destroy', 'me-local-1']);
    },
    argv: ['cat', 'where'],
    code: 125,
    says: 'no local buildlet "me-local-1"',
  },
  'the one of GOMOTE_BUILDLET': {
    buildlets: 2,
    before: use('me-local-1'),
    environment: { GOMOTE_BUILDLET: 'me-local-0' },
    argv: ['cat', 'where'],
    on: ['me-local-0'],
    says: '# Using me-local-0 from GOMOTE_BUILDLET\n',
  },
  'the named one in place of that of GOMOTE_BUILDLET': {
    buildlets: 2,
    environment: { GOMOTE_BUILDLET: 'me-local-0' },
    argv: ['local/me-local-1', 'cat', 'where'],
    on: ['me-local-1'],
  },
  'the group of GOMOTE_GROUP in place of GOMOTE_BUILDLET': {
    buildlets: 3,
    before: group('me-local-1', 'me-local-2'),
    environment: { ...inGroup, GOMOTE_BUILDLET: 'me-local-0' },
    argv: ['cat', 'where'],
    on: ['me-local-1', 'me-local-2'],
    says: fromGroup,
  },
  'the named one in place of the group': {
    buildlets: 2,
    before: group('me-local-1'),
    environment: inGroup,
    argv: ['me-local-0', 'cat', 'where'],
    on: ['me-local-0'],
  },
  'GOMOTE_BUILDLET where the group of GOMOTE_GROUP is not there': {
    buildlets: 2,
    environment: { ...inGroup, GOMOTE_BUILDLET: 'me-local-1' },
    argv: ['cat', 'where'],
    on: ['me-local-1'],
    says: '# Using me-local-1 from GOMOTE_BUILDLET\n',
  },
  'the group of --group in place of GOMOTE_GROUP': {
    buildlets: 1,
    before: group('me-local-0'),
    environment: { GOMOTE_GROUP: 'x' },
    argv: ['--group', 'g', 'cat', 'where'],
    on: ['me-local-0'],
    says: '',
  },
  'none of a group that is not there': {
    buildlets: 1,
    argv: ['--group', 'x', 'cat', 'where'],
    code: 125,
    says: 'group "x" does not exist',
  },
  'none of an empty group': {
    buildlets: 1,
    before: group(),
    environment: inGroup,
    argv: ['cat', 'where'],
    code: 125,
    says: 'no buildlet of the group "g" is there',
  },
};

describe('a command runs on', () => {
  for (const [
    title,
    { buildlets, before, environment = {}, argv, on, code = 0, says },
  ] of Object.entries(rows)) {
    it(title, async () => {
      const { cli } = await withProject(buildlets);
      for (let i = 0; i < buildlets; i++) {
        await cli(['put', `me-local-${i}`, '-', 'where'], { stdin: [`me-local-${i}\n`] });
      }
      await before?.(cli);
      const result = await cli(['run', '--dir', '.', ...argv], { environment });
      expect(result.code, result.stderr).toBe(code);
      if (on === undefined) expect(result.stderr).toContain(says);
      else expect(result.stderr).toBe(says ?? '');
      const lines = result.stdout.split('\n').filter(Boolean).sort();
      expect(lines).toEqual(on?.length === 1 ? on : (on ?? []).map((name) => `${name}| ${name}`));
    });
  }
});

describe('the buildlet of a project', () => {
  // Some backends do not know without a request that it has ended.
  it('is not one that was destroyed', async () => {
    const { cli, project } = await withProject(2);
    await cli(['destroy', 'me-local-1']);
    const environment = { HOME: cli.directory };
    expect(readProject(environment, realpathSync(project)).buildlets).toEqual(['local/me-local-0']);
  });

  it('is that of the nearest directory, and not that of another project', async () => {
    const { cli, other, project } = await withProject(1);
    inDirectory(join(project, 'below'));
    expect(await cli(['run', 'true'])).toEqual(done('', only));
    inDirectory(other);
    expect(await cli(['run', 'true'])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('run needs a command'),
    });
    expect(await cli(['ping'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("missing required argument 'name'"),
    });
    // What was pushed there is its buildlet, too.
    writeFileSync(join(other, 'file'), 'x');
    expect(await cli(['push', 'me-local-0'])).toMatchObject({ code: 0 });
    expect(await cli(['run', 'cat', 'file'])).toEqual(done('x', only));
  });

  it('takes the place of the first argument in every command', async () => {
    const { cli, project } = await withProject(1);
    const first = only.length;
    writeFileSync(join(project, 'f'), 'text');
    for (const argv of [
      ['ping'],
      ['put', 'f'],
      ['ls'],
      ['rm', 'f'],
      ['ps'],
      ['diff'],
      ['push'],
      ['pull'],
    ]) {
      const { code, stderr } = await cli(argv);
      expect({ argv, code, says: stderr.slice(0, first) }).toEqual({ argv, code: 0, says: only });
    }
    const id = (await cli(['run', '--detach', '--id', 'mine', 'echo', 'hi'])).stdout.trim();
    expect(await cli(['wait', id])).toEqual(done('', only));
    expect(await cli(['logs', id])).toEqual(done('hi\n', only));
    expect(await cli(['get', 'project/f', '-'])).toMatchObject({ code: 0, stdout: 'text' });
    // What would be too many arguments was meant for a name.
    expect(await cli(['ping', 'nope'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no local buildlet "nope"'),
    });
    // Nothing is destroyed that nobody has chosen.
    expect(await cli(['destroy'])).toMatchObject({ code: 2 });
    await cli(['use', 'me-local-0']);
    expect(await cli(['destroy'])).toMatchObject({
      code: 0,
      stderr: '# Using me-local-0, chosen by gomote use\n# Destroying me-local-0\n',
    });
  });
});

describe('gomote use', () => {
  it('writes .gomote, which git and pushes ignore, and removes it again', async () => {
    const { cli, project } = await withProject(2);
    expect(await cli(['use', 'me-local-1'])).toEqual(done());
    expect(await cli(['use'])).toEqual(done('me-local-1\n'));
    expect(readFileSync(join(project, '.gomote/buildlet'), 'utf8')).toBe('local/me-local-1\n');
    expect(readFileSync(join(project, '.gomote/.gitignore'), 'utf8')).toBe('*\n');
    writeFileSync(join(project, 'file'), 'x');
    rmSync(join(project, '.gomote/.gitignore'));
    expect(await cli(['push', '--no-ignore', '--dest', 'd'])).toMatchObject({ code: 0 });
    expect((await cli(['ls', '-R', 'd'])).stdout).not.toContain('.gomote');
    expect((await cli(['ls', '-R', 'd'])).stdout).toContain('file');
    expect(await cli(['use', '--none'])).toEqual(done());
    expect(await cli(['use'])).toMatchObject({ code: 1 });
    expect(await cli(['run', 'true'])).toMatchObject({ code: 125 });
  });

  it('refuses what is not a buildlet', async () => {
    const { cli, project } = await withProject(1);
    for (const [name, says] of [
      ['me-local-9', 'there is no buildlet "me-local-9"'],
      ['local@127.0.0.1:1', 'is the address of a buildlet'],
      ['../x', 'there is no buildlet "../x"'],
    ] as const) {
      const { code, stderr } = await cli(['use', name]);
      expect({ name, failed: code !== 0, says: stderr.includes(says) }).toEqual({
        name,
        failed: true,
        says: true,
      });
    }
    expect(existsSync(join(project, '.gomote'))).toBe(false);
  });

  it('is ignored if its file came with a repository', async () => {
    const { cli, other } = await withProject(1);
    await cli(['create', 'local', '--backend', 'local']);
    await cli(['use', 'me-local-0']);
    inDirectory(other);
    mkdirSync('.gomote');
    const untrusted = '.gomote/buildlet was not written by gomote use here';
    for (const text of [
      'local/me-local-0\n',
      'ssh:evil.example.com/x\n',
      'local@evil:80\n',
      '',
      'x'.repeat(5000),
      '\u001b[31m\n',
    ]) {
      writeFileSync('.gomote/buildlet', text);
      const { code, stderr } = await cli(['run', 'true']);
      expect({ text, code, told: stderr.includes(untrusted) }).toEqual({
        text,
        code: 125,
        told: true,
      });
    }
    rmSync('.gomote', { recursive: true });
    await cli(['use', 'me-local-0']);
    expect(await cli(['run', 'true'])).toMatchObject({ code: 0 });
    // Somebody checks out another one over it.
    writeFileSync('.gomote/buildlet', 'local/me-local-1\n');
    expect(await cli(['run', 'true'])).toMatchObject({
      stderr: expect.stringContaining(untrusted),
    });
  });

  it('follows no link that came with a repository', async () => {
    const { cli, other } = await withProject(1);
    const elsewhere = join(cli.directory, 'elsewhere');
    mkdirSync(elsewhere);
    inDirectory(other);
    symlinkSync(elsewhere, '.gomote');
    expect(await cli(['use', 'me-local-0'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('.gomote is not a directory'),
    });
    expect(readdirSync(elsewhere)).toEqual([]);
    rmSync('.gomote');
    mkdirSync('.gomote');
    writeFileSync(join(elsewhere, 'secret'), 'secret');
    symlinkSync(join(elsewhere, 'secret'), '.gomote/buildlet');
    expect(await cli(['run', 'true'])).toMatchObject({
      code: 125,
      stderr: expect.not.stringContaining('secret"'),
    });
    // It is replaced, not written through.
    expect(await cli(['use', 'me-local-0'])).toEqual(done());
    expect(readFileSync(join(elsewhere, 'secret'), 'utf8')).toBe('secret');
  });
});
