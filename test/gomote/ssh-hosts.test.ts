// What ssh is told of buildlets.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blocksIn, fileOf, hostBlock } from '../../src/gomote/ssh/host-entries.ts';
import { addInclude, includeLine, removeInclude } from '../../src/gomote/ssh/include.ts';
import type { SshFiles } from '../../src/gomote/ssh/state.ts';
import { hasSsh } from '../helpers/ssh.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const filesIn = (directory: string): SshFiles => ({
  directory,
  userKey: join(directory, 'user'),
  hostKey: join(directory, 'host'),
  knownHosts: join(directory, 'known hosts'),
  config: join(directory, 'config'),
});

const block = (command: readonly string[], directory = '/state') =>
  hostBlock(
    { name: 'local/a-0', aliases: ['a-0.gomote'] },
    { files: filesIn(directory), command, platform: 'linux' },
  );

describe.skipIf(!hasSsh)('an entry of ssh_config', () => {
  it.each([
    ['plain', ['node', '/opt/gomote.js']],
    ['blanks', ['/opt/my node', '/opt/go mote.js']],
    ['quotes and backslashes', ["/it's", '/say "so"', '/back\\slash', '/both\\\'"']],
    ['what shells and ssh obey', ['/a;b', '/$HOME', '/`id`', '/%h%p', '/${X}', '/a&b|c', '/*']],
  ])('contains the exact words of the command: %s', (_what, words) => {
    const directory = temporaryDirectory();
    const config = join(directory, 'config');
    const out = join(directory, 'out');
    // A program that notes its arguments.
    const script = `printf '%s\\n' "$@" >${out}`;
    writeFileSync(config, fileOf([block(['/bin/sh', '-c', script, ...['sh', ...words]])]));
    try {
      execFileSync('ssh', ['-F', config, '-o', 'BatchMode=yes', 'a-0.gomote', 'true'], {
        stdio: 'ignore',
      });
    } catch {
      // No SSH is spoken.
    }
    expect(readFileSync(out, 'latin1')).toBe(`${[...words, 'local/a-0'].join('\n')}\n`);
  });

  it('is read by ssh, and does not affect other hosts', () => {
    const config = join(temporaryDirectory(), 'config');
    writeFileSync(config, fileOf([block(['node'], '/st ate')]));
    const settings = (host: string) =>
      execFileSync('ssh', ['-G', '-F', config, host], { encoding: 'latin1' });
    expect(settings('a-0.gomote')).toContain(
      'userknownhostsfile "/st ate/known hosts"\n'.replaceAll('"', ''),
    );
    expect(settings('a-0.gomote')).toContain('stricthostkeychecking true\n');
    expect(settings('other')).toBe(
      execFileSync('ssh', ['-G', '-F', '/dev/null', 'other'], { encoding: 'latin1' }),
    );
  });
});

it.each(['/a"b', '/a\nb', '/a\\b', '/a*b', '/a%b', '/${HOME}', '/a\x7fb'])(
  'an entry of ssh_config is refused for a path that ssh would change: %j',
  (directory) => {
    expect(() => block(['node'], directory)).toThrow('cannot hold');
    expect(() => includeLine(directory)).toThrow('cannot hold');
  },
);

it('entries of ssh_config are parsed from their file, by the names of their buildlets', () => {
  const blocks = new Map(
    ['local/a-0', 'ci/b-1'].map((name) => [
      name,
      hostBlock(
        { name, aliases: [name.replace('/', '.')] },
        { files: filesIn('/s'), command: ['n'], platform: 'linux' },
      ),
    ]),
  );
  expect(blocksIn(fileOf(blocks.values()))).toEqual(blocks);
  expect(blocksIn('')).toEqual(new Map());
});

describe('the line in the configuration of ssh', () => {
  const line = includeLine('/state/config');

  it.each([
    ['nothing', ''],
    ['hosts', 'Host a\n  User b\n'],
    ['no newline at its end', 'Host a'],
    ['other bytes and lines', 'Host \xff\r\n\r\n# \xe9\n\n\n'],
  ])('is added first and removed again, with everything else unchanged: %s', (_what, text) => {
    const file = join(temporaryDirectory(), 'config');
    writeFileSync(file, text, 'latin1');
    chmodSync(file, 0o644);
    expect(addInclude(file, line)).toBe(true);
    expect(addInclude(file, line)).toBe(false);
    const added = readFileSync(file, 'latin1');
    expect(added.endsWith(text)).toBe(true);
    expect(added).toMatch(/^# .*\nInclude "\/state\/config"\n\n/);
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(removeInclude(file, line)).toBe(true);
    expect(removeInclude(file, line)).toBe(false);
    expect(existsSync(file) ? readFileSync(file, 'latin1') : '').toBe(text);
  });

  it('creates the file and its directory, for this user alone', () => {
    const directory = join(temporaryDirectory(), '.ssh');
    addInclude(join(directory, 'config'), line);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, 'config')).mode & 0o777).toBe(0o600);
  });

  it('is added to the target of a link', () => {
    const directory = temporaryDirectory();
    const [link, file] = [join(directory, 'config'), join(directory, 'dotfiles')];
    writeFileSync(file, 'Host a\n');
    symlinkSync(file, link);
    addInclude(link, line);
    expect(readFileSync(file, 'latin1')).toContain(line);
    removeInclude(link, line);
    expect(readFileSync(file, 'latin1')).toBe('Host a\n');
  });

  it('stays where the user has moved it, and is removed from there', () => {
    const file = join(temporaryDirectory(), 'config');
    const text = `Host a\n  User b\n\n${line}\nHost c\n`;
    writeFileSync(file, text);
    expect(addInclude(file, line)).toBe(false);
    removeInclude(file, line);
    expect(readFileSync(file, 'latin1')).toBe('Host a\n  User b\n\nHost c\n');
  });

  it('is added only to a file', () => {
    const directory = join(temporaryDirectory(), 'config');
    mkdirSync(directory);
    expect(() => addInclude(directory, line)).toThrow(/^cannot (read|write)/);
  });
});
