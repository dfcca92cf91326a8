// What is fetched when a run is over.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseJUnitReport } from '../../../src/cli/junit/junit-report.ts';
import { type Workshop, workshop } from '../../helpers/programs.ts';

const files = ({ directory }: Workshop) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
    (file) => !file.startsWith('.') && !file.startsWith('gomote'),
  );

const making = 'mkdir -p out/deep; echo 1 >out/a.log; echo 2 >out/deep/b.log; echo 3 >c.txt;';

describe('gomote run --get', () => {
  it.each([
    ['one that succeeded', 'exit 0', [], 0],
    ['one that failed', 'exit 4', [], 4],
    ['one that ran out of time', 'exec sleep 1000', ['--timeout', '2s'], 124],
  ])('fetches what %s has left', async (_, end, options, code) => {
    const shop = workshop();
    const name = await shop.create();
    const argv = ['--get', '*.log', '--get', '/c.txt', ...options, name, 'sh', '-c'];
    expect(await shop.gomote('run', ...argv, making + end)).toMatchObject({ code });
    expect(files(shop).sort()).toEqual(['c.txt', 'out', 'out/a.log', 'out/deep', 'out/deep/b.log']);
  });

  it('fetches from the directory of the run', async () => {
    const shop = workshop();
    const name = await shop.create();
    await shop.gomote('run', name, 'sh', '-c', making);
    const result = await shop.gomote('run', '--get', 'deep', '--dir', 'out', name, 'true');
    expect(result).toMatchObject({ code: 0 });
    expect(files(shop).sort()).toEqual(['deep', 'deep/b.log']);
  });

  it('reports which pattern matched nothing, and fetches what the others match', async () => {
    const shop = workshop();
    const name = await shop.create();
    const argv = ['--get', '*.xml', '--get', 'c.*', name, 'sh', '-c', making];
    const result = await shop.gomote('run', ...argv);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).toContain(`${name}: nothing matches "*.xml"`);
    expect(files(shop)).toEqual(['c.txt']);
  });

  it.each([
    [['--require', 'c.*'], 'exit 0', 0],
    [['--require', 'c.*', '--require', '*.xml'], 'exit 0', 1],
    [['--get', 'c.*', '--require', '*.xml'], 'exit 4', 4],
  ])('%j must match something: a command that ends by "%s" gives %i', async (given, end, code) => {
    const shop = workshop();
    const name = await shop.create();
    const result = await shop.gomote('run', ...given, name, 'sh', '-c', making + end);
    expect(result).toMatchObject({ code });
    expect(result.stderr.includes(`${name}: nothing matches "*.xml"`)).toBe(code !== 0);
    expect(files(shop)).toEqual(['c.txt']);
  });

  it('fails when something cannot be written here, and fetches the rest', async () => {
    const shop = workshop();
    const name = await shop.create();
    mkdirSync(join(shop.directory, 'c.txt'));
    writeFileSync(join(shop.directory, 'c.txt/mine'), '');
    const argv = ['--get', '*.txt', '--get', 'a.log', name, 'sh', '-c', making];
    const result = await shop.gomote('run', ...argv);
    expect(result).toMatchObject({ code: 125, stderr: expect.stringContaining('c.txt') });
    expect(files(shop).sort()).toEqual(['c.txt', 'c.txt/mine', 'out', 'out/a.log']);
  });
});

const report = (name: string, failures: number) =>
  `<testsuite name="${name}"><testcase name="good"/>${'<testcase name="bad"><failure message="why"/></testcase>'.repeat(failures)}</testsuite>`;

describe('gomote run --junit', () => {
  const write = (file: string, text: string) => `mkdir -p r; printf '%s' '${text}' >r/${file};`;

  it.each([
    ['passed', 0, [], 0],
    ['failed', 1, [], 0],
    ['failed, with --fail-on-test-failures', 1, ['--fail-on-test-failures'], 1],
    ['passed, with --fail-on-test-failures', 0, ['--fail-on-test-failures'], 0],
  ])('merges the reports of tests that %s', async (_, failures, options, code) => {
    const shop = workshop();
    const name = await shop.create();
    const script = write('a.xml', report('a', failures)) + write('b.xml', report('b', 0));
    const status = join(shop.directory, 'status.json');
    const argv = ['--junit', 'r/*.xml', '--status-json', status, ...options, name, 'sh', '-c'];
    const result = await shop.gomote('run', ...argv, script);
    expect(result).toMatchObject({ code });
    const total = failures + 2;
    expect(result.stderr).toMatch(
      new RegExp(`^total of 2 suites +${total} +${failures} +0 +0 `, 'm'),
    );
    expect(result.stderr).toContain(`gomote: wrote ${total} tests to junit.xml\n`);
    if (failures > 0) expect(result.stderr).toContain('failed: bad: why\n');
    const merged = readFileSync(join(shop.directory, 'junit.xml'), 'utf8');
    expect((await parseJUnitReport(merged)).suites).toMatchObject([
      { name: 'a', failures },
      { name: 'b' },
    ]);
    const origin = code === 0 ? 'remote' : 'tests';
    expect(JSON.parse(readFileSync(status, 'utf8'))).toMatchObject({ code, origin });
  });

  it('keeps the status of the command, and writes to the file that is given', async () => {
    const shop = workshop();
    const name = await shop.create();
    const script = `${write('a.xml', report('a', 1))} exit 9`;
    const options = ['--junit', '*.xml', '--junit-output', 'all.xml', '--fail-on-test-failures'];
    const result = await shop.gomote('run', ...options, name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 9 });
    expect(files(shop)).toEqual(['all.xml']);
  });

  it('writes the reports although a file of --require is missing', async () => {
    const shop = workshop();
    const name = await shop.create();
    const options = ['--require', 'none', '--junit', '*.xml'];
    const script = write('a.xml', report('a', 0));
    const result = await shop.gomote('run', ...options, name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toContain(`${name}: nothing matches "none"`);
    expect(files(shop)).toEqual(['junit.xml']);
  });

  it('names a file that is not a report, fails, and reads the others', async () => {
    const shop = workshop();
    const name = await shop.create();
    const script = write('a.xml', report('a', 0)) + write('odd.xml', '<!DOCTYPE x><testsuite/>');
    const result = await shop.gomote('run', '--junit', '*.xml', name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 125 });
    expect(result.stderr).toContain(
      'no JUnit report: r/odd.xml: line 1: a document type is not read',
    );
    expect(files(shop)).toEqual(['junit.xml']);
  });

  it('does not follow a link, nor read what is too large', async () => {
    const shop = workshop();
    const name = await shop.create();
    const script = 'ln -s /etc/passwd link.xml; truncate -s 40M large.xml';
    const result = await shop.gomote('run', '--junit', '*.xml', name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 125 });
    expect(result.stderr).toContain('no JUnit report: large.xml: it is too large;');
    expect(result.stderr).not.toContain('link.xml');
  });

  it('fails when no report matches', async () => {
    const shop = workshop();
    const name = await shop.create();
    const result = await shop.gomote('run', '--junit', 'r/*.xml', name, 'true');
    expect(result).toMatchObject({ code: 125 });
    expect(result.stderr).toContain(`${name}: no report matches "r/*.xml"`);
  });

  it.each([['--fail-on-test-failures'], ['--junit-output', 'x.xml']])(
    'is required for %s',
    async (...options) => {
      const result = await workshop().gomote('run', ...options, 'name', 'true');
      expect(result).toMatchObject({ code: 125 });
      expect(result.stderr).toContain('is about the reports of --junit');
    },
  );
});

describe('several buildlets', () => {
  it('give one report of all, and files in a directory for each', async () => {
    const shop = workshop();
    const [one, two] = [await shop.create(), await shop.create()];
    const names = [one, two].join(',');
    const script = 'mkdir r; echo "$PWD" >x.log; printf "%s" "$1" >r/a.xml';
    const options = ['--junit', 'r/*.xml', '--get', '*.log', '--fail-on-test-failures'];
    const argv = [...options, names, 'sh', '-c', script, 'sh', report('a', 1)];
    const result = await shop.gomote('run', ...argv);
    expect(result).toMatchObject({ code: 1 });
    const merged = readFileSync(join(shop.directory, 'junit.xml'), 'utf8');
    const { suites } = await parseJUnitReport(merged);
    expect(suites).toMatchObject([
      { name: one, tests: 2, failures: 1 },
      { name: two, tests: 2, failures: 1 },
    ]);
    expect(result.stderr).toMatch(/^ +total of 2 suites +4 +2 +0 +0 /m);
    expect(result.stderr).toContain(`failed: ${two}: bad: why\n`);
    expect(files(shop).sort()).toEqual(
      ['junit.xml', one, join(one, 'x.log'), two, join(two, 'x.log')].sort(),
    );
  });

  it('are collected and run until they match, each separately', async () => {
    const shop = workshop();
    const [one, two] = [await shop.create(), await shop.create()];
    const names = [one, two].join(',');
    const script = 'echo x >>n; wc -l <n';
    const result = await shop.gomote('run', '--collect', '--until', '2', names, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 0 });
    for (const name of [one, two]) {
      expect(result.stderr).toContain(`# Match found on "${name}".`);
      expect(readFileSync(join(shop.directory, `${name}.stdout`), 'utf8')).toBe('2\n');
    }
  });
});
