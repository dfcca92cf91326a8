// The page of man(1) in the package.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { text } from '../../scripts/man-page.ts';
import { commands } from '../../src/cli/command-table.ts';
import { projectRoot } from '../helpers/programs.ts';
import { hasTool } from '../helpers/tools.ts';

const page = join(projectRoot, 'dist/gomote.1');
const hasMan = hasTool('man');

it('the package names the man page, which is built', () => {
  // A list, since npm installs no page that is named by a string.
  const { man, files } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  expect([man, files]).toEqual([['./dist/gomote.1'], expect.arrayContaining(['dist', 'schemas'])]);
  expect(existsSync(page)).toBe(true);
});

it.skipIf(!hasMan)('man shows every command with its options, without warnings', () => {
  const env = { ...process.env, MANWIDTH: '100', LC_ALL: 'C.UTF-8', MANROFFOPT: '-ww' };
  const { stdout, stderr, status } = spawnSync('man', ['--warnings', '-l', page], {
    env,
    encoding: 'utf8',
    maxBuffer: 8 << 20,
  });
  expect([status, stderr]).toEqual([0, '']);
  for (const { name } of commands) expect(stdout).toContain(`gomote ${name}`);
  for (const option of ['--idle-timeout <duration>', '--backend <name>', '--keep-both']) {
    expect(stdout).toContain(option);
  }
});

it.skipIf(!existsSync('/usr/bin/mandoc'))('mandoc finds no error in the page', () => {
  const { stdout } = spawnSync('mandoc', ['-Tlint', '-W', 'error', page], { encoding: 'utf8' });
  expect(stdout).toBe('');
});

it.each([
  ['.TH x', '\\&.TH x'],
  ["'it", "\\&'it"],
  ['a\\fBb-c', 'a\\efBb\\-c'],
])('the man page shows %s as text', (plain, written) => {
  expect(text(plain)).toBe(written);
});
