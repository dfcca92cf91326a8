// Files of a buildlet by the tools that speak ssh: sftp, scp, rsync, git.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasBubblewrap } from '../helpers/bubblewrap.ts';
import { makeOddTree } from '../helpers/odd-names.ts';
import { processesMarked, until } from '../helpers/processes.ts';
import { hasSsh, type SshWorkshop, sshWorkshop } from '../helpers/ssh.ts';
import { hasTool } from '../helpers/tools.ts';

const hasRsync = hasTool('rsync');

/** What is in the directory, with modes, times and contents. */
const everythingIn = (directory: string): string =>
  execFileSync(
    'sh',
    [...['-c', 'find . -printf "%y %m %T@ %l %P\\0" | sort -z; find . -type f -print0 | sort -z']],
    { cwd: directory, encoding: 'latin1' },
  ) +
  execFileSync('sh', ['-c', 'find . -type f -print0 | sort -z | xargs -0 sha256sum'], {
    cwd: directory,
    encoding: 'latin1',
  });

const workDirOf = async ({ gomote, name }: SshWorkshop): Promise<string> =>
  (await gomote('run', name, 'pwd')).stdout.toString().trim();

describe.skipIf(!hasSsh)('files of a buildlet', () => {
  it('are read, written and changed by sftp', async () => {
    const shop = await sshWorkshop();
    const { directory, name, config, run } = shop;
    const workDir = await workDirOf(shop);
    writeFileSync(join(directory, 'here'), 'of here\n', { mode: 0o640 });
    const batch = [
      'mkdir sub',
      'put -p here sub/there',
      'put here "sub/with space"',
      'rename sub/there sub/other',
      'symlink other sub/link',
      'ln sub/other sub/second',
      'chmod 600 sub/second',
      'get sub/link fetched',
      'rm sub/second',
      'ls -la sub',
      'df .',
      '-rmdir sub',
      'pwd',
    ];
    writeFileSync(join(directory, 'batch'), `${batch.join('\n')}\n`);
    const result = await run('sftp', '-F', config, '-b', 'batch', name);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout.toString()).toMatch(/-rw------- +1 .* +8 .* other/);
    expect(result.stdout.toString()).toContain(`Remote working directory: ${workDir}\n`);
    expect(readFileSync(join(directory, 'fetched'), 'latin1')).toBe('of here\n');
    expect(readdirSync(join(workDir, 'sub')).sort()).toEqual(['link', 'other', 'with space']);
    expect(statSync(join(workDir, 'sub/other')).mode & 0o777).toBe(0o600);
    // The program that serves is gone with its client.
    await until(() => processesMarked(`GOMOTE_COMMAND=${workDir}`).length === 0);
  });

  it.each([
    ['as sftp does', []],
    ['by programs there', ['-O']],
  ])('are copied by scp %s, from and into the work directory', async (_how, options) => {
    const shop = await sshWorkshop();
    const { directory, name, config, run } = shop;
    const tree = join(directory, 'tree/sub');
    mkdirSync(tree, { recursive: true });
    for (const [i, file] of ['plain', 'with space', "quote'"].entries()) {
      writeFileSync(join(tree, file), Buffer.alloc(i * 100_000, file), { mode: 0o600 + i * 0o11 });
      utimesSync(join(tree, file), 1e9 + i, 1e9 - i);
    }
    // The times of these copies are whole seconds.
    utimesSync(tree, 1e9, 1e9);
    const scp = (...args: string[]) => run('scp', '-q', ...options, '-F', config, ...args);
    expect(await scp('-rp', 'tree', `${name}:`)).toMatchObject({ code: 0, stderr: '' });
    expect(await scp('-rp', `${name}:tree`, 'back')).toMatchObject({ code: 0, stderr: '' });
    const workDir = await workDirOf(shop);
    const sent = everythingIn(join(directory, 'tree/sub'));
    expect(everythingIn(join(workDir, 'tree/sub'))).toBe(sent);
    expect(everythingIn(join(directory, 'back/sub'))).toBe(sent);
    expect(await scp(`${name}:nothing`, '.')).toMatchObject({ code: 1 });
  });

  it.skipIf(!hasRsync)('are synchronized by rsync, whatever their names', async () => {
    const shop = await sshWorkshop();
    const { directory, name, config, run } = shop;
    const tree = join(directory, 'tree');
    mkdirSync(tree);
    makeOddTree(tree);
    // rsync leaves the time of a directory or a link alone when it is of the same second.
    execFileSync('find', [tree, '-exec', 'touch', '-h', '-d', '@1000000000.5', '{}', '+']);
    const rsync = (...args: string[]) => run('rsync', '-aH', '-e', `ssh -F ${config}`, ...args);
    expect(await rsync('tree/', `${name}:tree/`)).toMatchObject({ code: 0, stderr: '' });
    expect(await rsync(`${name}:tree/`, 'back/')).toMatchObject({ code: 0, stderr: '' });
    const sent = everythingIn(tree);
    expect(everythingIn(join(await workDirOf(shop), 'tree'))).toBe(sent);
    expect(everythingIn(join(directory, 'back'))).toBe(sent);
  });

  it('are pushed and cloned by git', async () => {
    const shop = await sshWorkshop();
    const { directory, name, config, run, ssh, environment } = shop;
    environment.GIT_SSH_COMMAND = `ssh -F ${config}`;
    const git = (...args: string[]) =>
      run('git', '-c', 'user.name=a', '-c', 'user.email=a@b', ...args);
    await git('init', '-q', '-b', 'main', 'repo');
    writeFileSync(join(directory, 'repo/file'), 'content\n');
    await git('-C', 'repo', 'add', '.');
    await git('-C', 'repo', 'commit', '-q', '-m', 'one');
    expect(await ssh(name, 'git init -q --bare r.git')).toMatchObject({ code: 0 });
    const url = `ssh://${name}${await workDirOf(shop)}/r.git`;
    expect(await git('-C', 'repo', 'push', '-q', url, 'HEAD:main')).toMatchObject({ code: 0 });
    // The short form begins in the work directory.
    const clone = await git('clone', '-q', '-b', 'main', `${name}:r.git`, 'clone');
    expect(clone).toMatchObject({ code: 0 });
    expect(readFileSync(join(directory, 'clone/file'), 'latin1')).toBe('content\n');
  });

  it.skipIf(!hasBubblewrap)('are those that commands see, also in a sandbox', async () => {
    const { directory, name, config, run, ssh } = await sshWorkshop('--isolation', 'bubblewrap');
    await ssh(name, 'echo inside >/tmp/private');
    const scp = (...args: string[]) => run('scp', '-q', '-F', config, ...args);
    expect(await scp(`${name}:/tmp/private`, 'fetched')).toMatchObject({ code: 0 });
    expect(readFileSync(join(directory, 'fetched'), 'latin1')).toBe('inside\n');
    writeFileSync(join(directory, 'secret'), 'of the machine');
    expect(await scp(`${name}:${directory}/secret`, 'out')).toMatchObject({ code: 1 });
    expect(await ssh('-t', '-t', name, 'tty')).toMatchObject({ code: 0 });
  });
});
