// The programs of examples/, each as a user runs it, on buildlets of this machine.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { transformSync } from 'esbuild';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { linesOf } from '../../src/gomote/run/outputs.ts';
import { openTestGomote } from '../helpers/gomote.ts';

const root = new URL('../../', import.meta.url).pathname;

/** In the package, so that its programs find it by its name. */
const built = mkdtempSync(join(root, 'dist', 'examples-'));
afterAll(() => rmSync(built, { recursive: true, force: true }));

function programOf(name: string): string {
  const file = join(root, 'examples', `${name}.ts`);
  // Node 20 does not know `await using`.
  const { code } = transformSync(readFileSync(file, 'utf8'), {
    loader: 'ts',
    format: 'esm',
    target: 'node20',
  });
  const path = join(built, `${name}.mjs`);
  writeFileSync(path, code);
  return path;
}

async function setUp(files: Record<string, string> = {}) {
  const config = '[builders.linux-amd64]\nhost = "host-local"\n';
  const { gomote, directory, environment } = await openTestGomote({ config });
  const tree = join(directory, 'tree');
  mkdirSync(tree);
  for (const [path, content] of Object.entries(files))
    writeFileSync(join(tree, path), content, { mode: 0o755 });
  const start = (name: string, ...args: string[]): ChildProcess => {
    const options = { cwd: tree, env: environment, stdio: 'pipe' } as const;
    const child = spawn(process.execPath, [programOf(name), ...args], options);
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
  const run = async (name: string, args: readonly string[], input = '') => {
    const child = start(name, ...args);
    child.stdin?.end(input);
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('no pipes');
    const [out, err, [code]] = await Promise.all([text(stdout), text(stderr), once(child, 'exit')]);
    expect(await gomote.list()).toEqual([]);
    return { code, out, err };
  };
  return { gomote, tree, start, run };
}

it('matrix-runner reports the result of each type', async () => {
  const { run } = await setUp({ check: '#!/bin/sh\ntest -f check' });
  expect(await run('matrix-runner', ['linux-amd64,local', './check'])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^(?:(?:linux-amd64|local): passed\n){2}$/),
  });
  expect(await run('matrix-runner', ['local', 'false'])).toMatchObject({
    code: 1,
    out: 'local: failed (1)\n',
  });
});

it('test-sharder runs every file once, and reports which failed', async () => {
  const files = { 'a.sh': 'exit 0', 'b.sh': 'echo why; exit 1', 'c.sh': 'exit 0' };
  const { run } = await setUp(files);
  const { code, out } = await run('test-sharder', ['2', ...Object.keys(files)]);
  expect(out.match(/^(ok|FAILED) +\S+/gm)?.sort()).toEqual([
    'FAILED b.sh',
    'ok     a.sh',
    'ok     c.sh',
  ]);
  expect(out).toContain('why\n');
  expect(out).toContain('2 of 3 passed\n');
  expect(code).toBe(1);
});

it('agent-sandbox reports as JSON what a script did', async () => {
  const { run } = await setUp();
  const { out } = await run('agent-sandbox', [], 'echo hi; touch made; exit 3');
  expect(JSON.parse(out)).toMatchObject({ exitCode: 3, stdout: 'hi\n', files: ['made'] });
});

it('flake-hunter stops at the first run that fails', async () => {
  const { run } = await setUp({
    flaky: '#!/bin/sh\necho >> n\ntest $(wc -l < n) -lt 3 || { echo third; exit 7; }',
  });
  expect(await run('flake-hunter', ['9', './flaky'])).toMatchObject({
    code: 1,
    out: 'failed at run 3 (7):\nthird\n',
  });
  expect(await run('flake-hunter', ['2', './flaky'])).toMatchObject({
    code: 0,
    out: 'passed 2 times\n',
  });
});

it('ci-step passes on the output and the status, and fetches the report', async () => {
  const { run, tree } = await setUp({
    build: '#!/bin/sh\necho $CI > report.txt; echo out; exit 4',
  });
  expect(await run('ci-step', ['./build'])).toMatchObject({ code: 4, out: 'out\n' });
  expect(readFileSync(join(tree, 'report.txt'), 'utf8')).toBe('1\n');
});

it('artifact-collector fetches build results, with their digests', async () => {
  const { run, tree } = await setUp({
    build: '#!/bin/sh\nmkdir dist; echo app > dist/app; echo log > log',
  });
  const out = join(tree, '..', 'out');
  expect(await run('artifact-collector', [out, 'dist', './build'])).toMatchObject({
    code: 0,
    out: `1 files in ${out}\n`,
  });
  expect(readFileSync(join(out, 'dist/app'), 'utf8')).toBe('app\n');
  expect(readFileSync(join(out, 'SHA256SUMS'), 'utf8')).toMatch(/^[0-9a-f]{64} {2}dist\/app\n$/);
});

it('file-sync sends each change until it is ended', async () => {
  const { gomote, tree, start } = await setUp({ a: '1' });
  const buildlet = await gomote.create('local');
  const child = start('file-sync', buildlet.name);
  if (child.stdout === null) throw new Error('no pipe');
  const lines = linesOf(child.stdout);
  expect((await lines.next()).value).toBe('1 sent, 0 removed');
  writeFileSync(join(tree, 'b'), '2');
  expect((await lines.next()).value).toBe('1 sent, 0 removed');
  expect(await buildlet.files.readText(`${basename(tree)}/b`)).toBe('2');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('web-terminal takes keys and shows the screen, for holders of the token', async () => {
  const { gomote, start } = await setUp();
  const buildlet = await gomote.create('local');
  const child = start('web-terminal', buildlet.name);
  if (child.stdout === null) throw new Error('no pipe');
  const url = new URL(String((await linesOf(child.stdout).next()).value));
  expect((await fetch(url.origin)).status).toBe(403);
  expect(await (await fetch(url)).text()).toContain('<pre id="screen"');
  const screen = fetch(new URL(`/screen${url.search}`, url)).then((reply) => reply.text());
  const keys = { method: 'POST', body: 'echo a$((40+2))b; exit\n' };
  expect((await fetch(new URL(`/keys${url.search}`, url), keys)).status).toBe(204);
  expect(await screen).toContain('a42b');
  expect(await once(child, 'exit')).toEqual([0, null]);
});
