// What commands print with --json and --format, held to the schema of the package.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { Context } from '../../src/cli/context.ts';
import { processInterrupts } from '../../src/cli/interrupts.ts';
import { fullProgram } from '../../src/cli/program.ts';
import { parseTemplate } from '../../src/cli/terminal/listing.ts';
import { inDirectory, testCli } from '../helpers/cli.ts';
import { Collector } from '../helpers/collect.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const schema = JSON.parse(
  readFileSync(new URL('../../schemas/output.schema.json', import.meta.url), 'utf8'),
);
const ajv = new Ajv2020({
  allErrors: true,
  formats: { 'date-time': /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/ },
});
ajv.addSchema(schema, 'gomote');

function check(definition: string, value: unknown): void {
  const isValid = ajv.validate(`gomote#/$defs/${definition}`, value);
  expect([definition, isValid, ajv.errors, value]).toEqual([definition, true, null, value]);
}

describe('--json', () => {
  it('of every command that has it matches the schema', async () => {
    const cli = testCli();
    const here = temporaryDirectory();
    // `use` writes into the project around it.
    inDirectory(here);
    const seen = new Set<string>();
    const at = (path: string) => join(here, path);
    const json = async (argv: string[], { isLines = false, code = 0 } = {}) => {
      const result = await cli(argv);
      expect([argv, result.code, result.stderr]).toEqual([argv, code, result.stderr]);
      const [command = ''] = argv;
      seen.add(command);
      const texts = isLines ? result.stdout.trim().split('\n') : [result.stdout];
      for (const text of texts) check(command, JSON.parse(text));
      return JSON.parse(texts[0] ?? '');
    };
    mkdirSync(at('tree'));
    execFileSync('git', ['init', '-q', at('tree')]);
    writeFileSync(at('tree/file'), 'content');
    const [{ name }] = await json(['create', '--json', 'local']);
    await json(['list', '--json']);
    await json(['types', '--json']);
    await json(['ping', '--json', name]);
    await json(['push', '--json', name, at('tree')], { isLines: true });
    await json(['push', '--json', '--dry-run', at('tree')]);
    await cli(['run', '--dir', 'tree', name, 'sh', '-c', 'echo made >made; exit 3']);
    const [{ id }] = await json(['ps', '--json', name]);
    expect(await json(['wait', '--json', name, id], { code: 3 })).toMatchObject([
      { id, end: { code: 3 } },
    ]);
    await cli(['run', '--detach', '--id', 'long', name, 'sleep', '1000']);
    expect(await json(['kill', '--json', '-9', name, 'long'])).toEqual({
      ...{ name, signal: 'SIGKILL', runs: ['long'] },
    });
    await json(['group', '--json', 'create', 'some']);
    await json(['group', '--json', '--group', 'some', 'add', name]);
    expect(await json(['group', '--json', 'list'])).toEqual([{ name: 'some', members: [name] }]);
    await json(['use', '--json', name]);
    expect(await json(['use', '--json'])).toEqual({ name });
    expect(await json(['use', '--json', '--none'])).toEqual({ name: null });
    await json(['diff', '--json', name]);
    await json(['pull', '--json', name, 'tree', at('back')]);
    await json(['pull', '--json', '--dry-run', name, 'tree', at('dry')]);
    await json(['get', '--json', name, 'tree/file', at('got')]);
    await json(['put', '--json', name, at('got'), 'put']);
    await json(['gettar', '--json', '-o', at('a.tgz'), name]);
    await json(['puttar', '--json', '--dir', 'x', name, at('a.tgz')]);
    await json(['cp', '--json', `${name}:put`, at('copied')]);
    const work = (await cli(['run', name, 'pwd'])).stdout.trim();
    writeFileSync(Buffer.from(`${work}/caf\xe9`, 'latin1'), '');
    await json(['ls', '--json', '--recursive', '--digest', name], { isLines: true });
    await json(['rm', '--json', name, 'put', 'nosuch']);
    await json(['whoami', '--json']);
    await json(['snapshot', '--json', 'create', name, 'warm']);
    await json(['snapshot', '--json', 'list']);
    await json(['snapshot', '--json', 'inspect', 'warm']);
    await json(['snapshot', '--json', 'remove', 'warm']);
    await json(['create', '--json', '--cache', 'kept:some/where', 'local']);
    await json(['destroy', '--json', 'local/me-local-1']);
    await json(['cache', '--json', 'list']);
    await json(['cache', '--json', 'purge', 'kept']);
    await json(['fork', '--json', name]);
    await json(['doctor', '--json']);
    const bundled = ['run', '--bundle-on-failure', at('failed.tgz'), '--timeout', '1m', name];
    await cli([...bundled, 'sh', '-c', 'kill $$']);
    expect(await json(['doctor', '--json', at('failed.tgz')])).toMatchObject({ outcome: 'ended' });
    await cli(['run', '--bundle-on-failure', at('unknown.tgz'), name, '/no/such/command']);
    await json(['doctor', '--json', at('unknown.tgz')]);
    await json(['version', '--json']);
    await json(['reap', '--json']);
    await json(['destroy', '--json', name]);
    await json(['once', '--json', '--dest', 'once', 'local', '--', 'true']);
    // Only a coordinator can extend; jobs are those of a project, which the tests of jobs have.
    check('job', {
      path: '/x/.gomote.toml',
      jobs: [{ name: 'test', description: null, run: ['make'] }],
    });
    check('extend', { name, expires: new Date().toISOString() });
    const streams = { stdin: Readable.from([]), stdout: new Collector(), stderr: new Collector() };
    const root = await fullProgram(
      new Context({ ...streams, environment: {} }, processInterrupts()),
    );
    const having = root.commands
      .filter(({ options }) => options.some(({ long }) => long === '--json'))
      .map((command) => command.name());
    const others = ['extend', 'job', 'login', 'logout'];
    expect(having.sort()).toEqual([...seen, ...others].sort());
    for (const command of having) expect(schema.$defs).toHaveProperty(command);
  });

  it('prints a failure as an object on one line of stderr', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const rows: [string[], object][] = [
      [['ps', '--json', 'nosuch-0'], { code: 'ERR_UNKNOWN_BUILDLET', exitCode: 1 }],
      [['list', '--json', '--backend', 'nosuch'], { code: 'ERR_CONNECT', exitCode: 1 }],
      [['list', '--json', '--jsno'], { code: 'ERR_USAGE', exitCode: 2 }],
      [['create', '--json'], { code: 'ERR_USAGE', exitCode: 2 }],
      [['get', '--json', name, 'nosuch', '/dev/null'], { code: 'ERR_NO_SUCH_FILE', exitCode: 1 }],
      [['list', '--json', '--format', 'x'], { code: 'ERR_USAGE', exitCode: 2 }],
    ];
    for (const [argv, error] of rows) {
      const { code, stderr } = await cli(argv);
      expect(stderr.endsWith('\n') && stderr.trim().split('\n').length).toBe(1);
      const told = JSON.parse(stderr);
      check('error', told);
      expect([argv, told]).toMatchObject([argv, error]);
      expect(code).toBe(told.exitCode);
    }
    const other = (await cli(['create', 'local'])).stdout.trim();
    const several = await cli(['ls', '--json', `${name},${other}`, 'nosuch']);
    const lines = several.stderr.trim().split('\n');
    for (const one of [name, other]) {
      const told = lines.find((line) => line.startsWith(`${one}| `)) ?? '';
      check('error', JSON.parse(told.slice(one.length + 2)));
    }
    const last = JSON.parse(lines.at(-1) ?? '');
    check('error', last);
    expect(last).toMatchObject({ code: 'ERR_STATUS', exitCode: several.code });
    expect(lines).toHaveLength(3);
    // It belongs to the command that is run.
    expect(await cli(['run', name, 'nosuch', '--json'])).toMatchObject({
      code: 127,
      stderr: expect.stringMatching(/^gomote: /),
    });
  });
});

describe('--format', () => {
  const item = {
    name: 'a\u001b[31mb',
    count: 3,
    at: new Date(0),
    none: undefined,
    end: { code: 1 },
  };
  const fields = Object.keys(item);

  it.each([
    ['{{.count}}', '3'],
    ['{{ .count }}\\t{{.none}}|', '3\t|'],
    ['{{.at}}', '1970-01-01T00:00:00.000Z'],
    ['{{.end}} {{.end.code}} {{.end.nosuch.x}}', '{"code":1} 1 '],
    ['{{.end.constructor}}', ''],
    ['plain {x} \\\\n', 'plain {x} \\n'],
  ])('fills in %s', (template, text) => {
    expect(parseTemplate(template, fields, false)(item)).toBe(text);
  });

  it('shows no control sequence on a terminal', () => {
    expect(parseTemplate('{{.name}}', fields, true)(item)).toBe('a\\x1b[31mb');
    expect(parseTemplate('{{.name}}', fields, false)(item)).toBe('a\u001b[31mb');
  });

  it.each([
    ['{{.nmae}}', 'did you mean "name"?'],
    ['{{name}}', '{{.name}}'],
    ['{{.name', '{{.name}}'],
    ['{{.__proto__}}', 'fields are'],
  ])('%s is refused', (template, hint) => {
    expect(() => parseTemplate(template, fields, false)).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE', hint: expect.stringContaining(hint) }),
    );
  });

  it('is taken by the commands that list', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    await cli(['run', '--id', 'r1', name, 'true']);
    const rows: [string[], string][] = [
      [['list', '--format', '{{.fullName}} {{.state}}'], `${name} running\n`],
      [['ps', '--format={{.id}} {{.end.code}}', name], 'r1 0\n'],
      [['types', '-format', '{{.name}}'], 'local\n'],
      [['whoami', '--format', '{{.backend}}={{.name}}'], 'local=me\n'],
      [['diff', '--format', '{{.path}}', name], ''],
    ];
    await cli(['put', name, '/dev/null', 'a']);
    rows.push([['ls', '--format', '{{.type}} {{.path}} {{.size}}', name], 'file a 0\n']);
    rows.push([['create', '--format', '{{.builderType}} {{.backend}}', 'local'], 'local local\n']);
    for (const [argv, stdout] of rows) {
      expect([argv, await cli(argv)]).toEqual([argv, { code: 0, stdout, stderr: '' }]);
    }
    const before = (await cli(['list', '-q'])).stdout;
    for (const argv of [
      ['create', '--format', '{{.nmae}}', 'local'],
      ['create', '--format', '{{.name}}', '--json', 'local'],
      ['ls', '--format', '{{.nmae}}', name],
      ['ls', '--format', '{{.path}}', '--json', name],
    ]) {
      expect([argv, await cli(argv)]).toMatchObject([argv, { code: 2, stdout: '' }]);
    }
    expect((await cli(['list', '-q'])).stdout).toBe(before);
  });
});
