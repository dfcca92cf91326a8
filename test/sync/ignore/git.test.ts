import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLocalTree } from '../../../src/sync/local/local-tree.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import { directory, file, plant } from '../../tar/tree.ts';

const identity = ['-c', 'user.name=x', '-c', 'user.email=x@x', '-c', 'protocol.file.allow=always'];
const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', [...identity, ...args], { cwd, encoding: 'utf8', stdio: 'pipe' });

const sent = async (top: string, environment: NodeJS.ProcessEnv) =>
  (await readLocalTree(top, { environment })).entries.map(({ path }) => path);

/** A repository in which `kept.o` is tracked and `left.o` is ignored, as `info/exclude` and `.gitignore` say. */
function repository(top = temporaryDirectory()): string {
  git(top, 'init', '-q');
  plant(top, [
    ['.gitignore', file('*.o\n')],
    ['a', file('a')],
    ['excluded', file()],
    ['kept.o', file()],
    ['left.o', file()],
  ]);
  writeFileSync(join(top, '.git/info/exclude'), 'excluded\n');
  git(top, 'add', '-f', '.gitignore', 'a', 'kept.o');
  git(top, 'commit', '-qm', 'one');
  return top;
}

const expected = ['.gitignore', 'a', 'kept.o'];

/** The environment of a command that a git command runs. */
function environmentIn(cwd: string, run: (command: string) => string[]): NodeJS.ProcessEnv {
  const out = join(temporaryDirectory(), 'environment');
  try {
    git(cwd, ...run(`env -0 >'${out}'`));
  } catch (error) {
    // Some of them report what the command makes of it.
    if (!existsSync(out)) throw error;
  }
  const fields = readFileSync(out, 'utf8').split('\0').filter(Boolean);
  return Object.fromEntries(
    fields.map((field) => [
      field.slice(0, field.indexOf('=')),
      field.slice(field.indexOf('=') + 1),
    ]),
  );
}

describe('git reads the tree that is pushed and nothing else', () => {
  it.each<(other: string) => NodeJS.ProcessEnv>([
    (other) => ({ GIT_DIR: join(other, '.git') }),
    (other) => ({ GIT_DIR: join(other, '.git'), GIT_WORK_TREE: other }),
    () => ({ GIT_DIR: '.git', GIT_PREFIX: 'sub/' }),
    () => ({ GIT_DIR: '/nowhere' }),
    (other) => ({ GIT_INDEX_FILE: join(other, 'index') }),
    (other) => ({ GIT_COMMON_DIR: join(other, '.git') }),
    (other) => ({ GIT_OBJECT_DIRECTORY: other }),
    () => ({ GIT_CEILING_DIRECTORIES: '/' }),
    () => ({ GIT_NAMESPACE: 'x', GIT_LITERAL_PATHSPECS: '1', GIT_TRACE: '1' }),
    (other) => ({ GIT_CONFIG_PARAMETERS: `'core.excludesFile'='${join(other, 'a')}'` }),
    (other) => ({
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'core.worktree',
      GIT_CONFIG_VALUE_0: other,
    }),
  ])('with variables of another one: %s', async (variables) => {
    const environment = { ...process.env, ...variables(repository()) };
    expect(await sent(repository(), environment)).toEqual(expected);
  });

  it.each<[string, (command: string, top: string) => string[]]>([
    [
      'a hook',
      (command, top) => {
        writeFileSync(join(top, '.git/hooks/pre-commit'), `#!/bin/sh\n${command}\n`);
        chmodSync(join(top, '.git/hooks/pre-commit'), 0o755);
        writeFileSync(join(top, 'a'), 'changed');
        return ['commit', '-qm', 'two', 'a'];
      },
    ],
    ['git rebase --exec', (command) => ['rebase', '-q', '--root', '--exec', command]],
    [
      'git bisect run',
      (command, top) => {
        git(top, 'commit', '-q', '--allow-empty', '-m', 'two');
        git(top, 'commit', '-q', '--allow-empty', '-m', 'three');
        git(top, 'bisect', 'start', 'HEAD', 'HEAD~2');
        return ['bisect', 'run', 'sh', '-c', command];
      },
    ],
    ['an alias', (command) => ['-c', `alias.x=!${command}`, 'x']],
  ])('in %s, for this repository and another', async (_, run) => {
    const top = repository();
    const environment = environmentIn(top, (command) => run(command, top));
    expect(await sent(top, environment)).toEqual(expected);
    expect(await sent(repository(), environment)).toEqual(expected);
  });

  it('in a submodule and in a linked work tree', async () => {
    const top = repository();
    git(top, 'submodule', '--quiet', 'add', repository(), 'module');
    plant(join(top, 'module'), [['left.o', file()]]);
    const environment = environmentIn(top, (command) => [
      'submodule',
      '--quiet',
      'foreach',
      command,
    ]);
    expect(await sent(join(top, 'module'), environment)).toEqual(expected);
    const added = join(temporaryDirectory(), 'added');
    git(top, 'worktree', 'add', '-q', added);
    writeFileSync(join(added, 'new.o'), '');
    expect(await sent(added, environment)).toEqual(
      ['.gitignore', '.gitmodules', 'a', 'kept.o', 'module'].filter((name) =>
        existsSync(join(added, name)),
      ),
    );
  });
});

describe('git runs nothing of the tree', () => {
  it('no file system monitor, no hook, no git binary in it', async () => {
    const top = repository();
    const marks = temporaryDirectory();
    mkdirSync(join(top, 'bin'));
    const script = (path: string, mark: string) => {
      writeFileSync(path, `#!/bin/sh\ntouch '${join(marks, mark)}'\n`);
      chmodSync(path, 0o755);
    };
    script(join(top, 'bin/monitor'), 'monitor');
    script(join(top, 'git'), 'git');
    for (const hook of ['post-index-change', 'fsmonitor-watchman', 'pre-commit']) {
      script(join(top, '.git/hooks', hook), hook);
    }
    git(top, 'config', 'core.fsmonitor', join(top, 'bin/monitor'));
    git(top, 'config', 'core.untrackedCache', 'true');
    git(top, 'config', 'core.pager', join(top, 'bin/monitor'));
    const environment = { ...process.env, PATH: `.:${process.env.PATH}` };
    const cwd = process.cwd();
    process.chdir(top);
    try {
      expect(await sent(top, environment)).toEqual([
        ...expected.slice(0, 2),
        'bin',
        'bin/monitor',
        'git',
        'kept.o',
      ]);
    } finally {
      process.chdir(cwd);
    }
    expect(
      ['monitor', 'git', 'post-index-change'].filter((mark) => existsSync(join(marks, mark))),
    ).toEqual([]);
  });

  it('and leaves its index unchanged', async () => {
    const top = repository();
    plant(top, [['d', directory([['x', file()]])]]);
    const before = readFileSync(join(top, '.git/index'));
    await sent(top, process.env);
    expect(readFileSync(join(top, '.git/index')).equals(before)).toBe(true);
  });
});
