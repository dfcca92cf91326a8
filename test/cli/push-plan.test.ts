// gomote push --dry-run: what would be sent, with its size, also where there is no buildlet.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

function makeTree(): string {
  const top = join(temporaryDirectory(), 'project');
  mkdirSync(join(top, 'data'), { recursive: true });
  execFileSync('git', ['init', '-q', top]);
  writeFileSync(join(top, '.gitignore'), 'ignored\n');
  writeFileSync(join(top, 'ignored'), 'x'.repeat(50_000));
  writeFileSync(join(top, 'small'), 'x');
  for (const name of ['a', 'b', 'c']) writeFileSync(join(top, 'data', name), 'x'.repeat(3_000));
  return top;
}

it('a dry run without a buildlet shows what a new one would get, and creates none', async () => {
  const cli = testCli();
  const top = makeTree();
  const { code, stdout, stderr } = await cli(['push', '--dry-run', top], { isTerminal: true });
  expect(code).toBe(0);
  expect(stdout.split('\n')).toEqual([
    'send .gitignore (8 B)',
    'send data/',
    'send data/a (3.00 kB)',
    'send data/b (3.00 kB)',
    'send data/c (3.00 kB)',
    'send small (1 B)',
    '',
  ]);
  expect(stderr).toContain('would send 5 files (9.01 kB) to project of a new buildlet');
  expect(stderr).toContain('largest: data (9.00 kB)');
  const excluded = await cli(['push', '--dry-run', '--exclude', 'data', '--json', top]);
  expect(JSON.parse(excluded.stdout)).toMatchObject({ dir: 'project', files: 2, bytes: 9 });
  expect((await cli(['push', top])).code).not.toBe(0);
  expect(readdirSync(cli.directory).includes('gomote')).toBe(false);
});

it('a dry run with a buildlet names the largest files, too, and a name that does not exist is not taken for a directory', async () => {
  const cli = testCli();
  const top = makeTree();
  const name = (await cli(['create', 'local'])).stdout.trim();
  const plan = await cli(['push', '--dry-run', name, top]);
  expect(plan.stdout).toContain('send data/a\n');
  expect(plan.stderr).toContain(`${name}:project: largest: data (9.00 kB)`);
  expect((await cli(['push', '--dry-run', 'nosuch-0', top])).code).not.toBe(0);
});
