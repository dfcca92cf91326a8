import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

function plantFiles(root: string, paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), path);
  }
}

const goTree = [
  'src/make.bash',
  'src/go/build/build.go',
  'test/a.go',
  'test/bench/x.6',
  'README.md',
];
const generated = [
  'src/go/build/zcgo.go',
  'src/cmd/internal/objabi/zbootstrap.go',
  'src/runtime/internal/sys/zversion.go',
  'VERSION.cache',
];

describe('gomote push --go', () => {
  it('pushes what Go’s gomote pushes, and leaves what the build needs', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const root = temporaryDirectory();
    plantFiles(root, [
      ...goTree,
      ...generated,
      'pkg/linux/fmt.a',
      'bin/go',
      'src/x.go~',
      'src/made.o',
    ]);
    execFileSync('git', ['init', '-q'], { cwd: root });
    writeFileSync(join(root, '.gitignore'), '*.o\n');
    const environment = { GOROOT: root };
    const push = async () => await cli(['push', '--go', name], { environment });
    const list = async () =>
      (await cli(['ls', '-R', name, 'go'])).stdout
        .split('\n')
        .filter((line) => line.startsWith('-'))
        .map((line) => line.split('\t')[1]);
    expect(await push()).toMatchObject({ code: 0 });
    const sent = [
      '.gitignore',
      'README.md',
      'VERSION',
      'src/go/build/build.go',
      'src/make.bash',
      'test/a.go',
    ];
    expect(await list()).toEqual(sent);
    expect((await cli(['run', name, 'cat', 'go/VERSION'])).stdout).toBe('devel gomote.XXXXX');

    const made = [
      'go/pkg/a',
      'go/bin/go',
      'go/src/made.o',
      ...generated.map((path) => `go/${path}`),
      'go/src/junk',
    ];
    for (const path of made) await cli(['put', name, join(root, 'README.md'), path]);
    rmSync(join(root, 'test/a.go'));
    expect(await push()).toMatchObject({ code: 0 });
    const kept = made
      .filter((path) => path !== 'go/src/junk')
      .map((path) => path.slice('go/'.length));
    const expected = [...sent.filter((path) => path !== 'test/a.go'), ...kept].sort();
    expect((await list()).sort()).toEqual(expected);
  });

  it('makes the buildlet fetch the bootstrap toolchain of its host type, once', async () => {
    const toolchain = temporaryDirectory();
    plantFiles(toolchain, ['bin/go']);
    const archive = execFileSync('tar', ['cz', '-C', toolchain, '.']);
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      // The first try fails.
      if (asked.length === 1) response.writeHead(503);
      response.end(asked.length === 1 ? 'not yet' : archive);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const buildlet = await startBuildlet({
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    });
    const cli = testCli();
    const configDir = join(cli.directory, 'config/gomote');
    mkdirSync(configDir, { recursive: true });
    writeFileSync(
      join(configDir, 'config.toml'),
      `[hosts.host-go]\ngo-bootstrap = "http://127.0.0.1:${port}/boot.tar.gz"\n` +
        '[builders.linux-go]\nhost = "host-go"\n',
    );
    const root = temporaryDirectory();
    plantFiles(root, goTree);
    const name = `linux-go@${buildlet.address}`;
    const push = async () => await cli(['push', '--go', name], { environment: { GOROOT: root } });
    expect(await push()).toMatchObject({ code: 1, stderr: expect.stringContaining('503') });
    expect(existsSync(join(buildlet.workDir, 'go1.4'))).toBe(false);
    for (let round = 0; round < 2; round++) expect(await push()).toMatchObject({ code: 0 });
    expect(asked).toEqual(['GET /boot.tar.gz', 'GET /boot.tar.gz']);
    expect(readFileSync(join(buildlet.workDir, 'go1.4/bin/go'), 'utf8')).toBe('bin/go');
    expect(existsSync(join(buildlet.workDir, 'go/src/make.bash'))).toBe(true);
  });

  it('reports where it looked for the tree', async () => {
    const cli = testCli();
    const result = await cli(['push', '--go', 'x'], { environment: { PATH: '/nowhere' } });
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('set GOROOT') });
  });
});

describe('gomote push --watch', () => {
  it('pushes again when something changes, until it is interrupted', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const top = temporaryDirectory();
    plantFiles(top, ['d/a']);
    const controller = new AbortController();
    const interrupt = { signal: controller.signal, received: 'SIGINT' as const };
    const running = cli(['push', '--watch', '--dest', 'x', name, top], { interrupt });
    const content = async (path: string) => (await cli(['run', name, 'cat', path])).stdout;
    await expect.poll(() => content('x/d/a')).toBe('d/a');
    plantFiles(top, ['new/deep/b', 'c']);
    await expect.poll(() => content('x/new/deep/b'), { timeout: 10_000 }).toBe('new/deep/b');
    writeFileSync(join(top, 'new/deep/b'), 'again');
    await expect.poll(() => content('x/new/deep/b'), { timeout: 10_000 }).toBe('again');
    controller.abort(new Error('interrupted'));
    const { code, stderr } = await running;
    expect(code).toBe(130);
    expect(stderr).toContain('Ctrl-C ends it');
  });
});
