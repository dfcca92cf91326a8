// Go's own tree, pushed to new buildlets and built there.
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ending, workshop } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** A directory that is GOROOT, with this script as its make.bash. */
function goShop(makeBash: string) {
  const shop = workshop();
  const [goroot, temporary] = [temporaryDirectory(), temporaryDirectory()];
  const script = join(goroot, 'src/make.bash');
  mkdirSync(join(goroot, 'src'));
  writeFileSync(script, `#!/bin/sh\n${makeBash}\n`);
  // It does not say where Go's tree is.
  const go = join(shop.directory, '.bin/go');
  writeFileSync(go, '#!/bin/sh\nexit 1\n');
  for (const program of [script, go]) chmodSync(program, 0o755);
  const start = (args: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
    shop.start('gomote', ['create', ...args], {
      env: { ...shop.environment, GOROOT: goroot, TMPDIR: temporary, ...environment },
      stdio: 'pipe',
    });
  return {
    shop,
    goroot,
    start,
    create: async (args: readonly string[], environment?: NodeJS.ProcessEnv) => {
      const child = start(args, environment);
      child.stdin?.end('for the next command');
      const { code, stdout, stderr } = await ending(child);
      return { code, stdout: stdout.toString(), stderr };
    },
    list: async () => (await shop.gomote('list', '-q')).stdout.toString(),
    /** The files with output, by name. */
    outputs: () =>
      Object.fromEntries(
        readdirSync(temporary, { recursive: true, encoding: 'utf8' })
          .filter((path) => path.endsWith('.stdout'))
          .map((path) => [
            path.replace(/^gomote\w+\//, ''),
            readFileSync(join(temporary, path), 'utf8'),
          ]),
      ),
  };
}

const builds = 'test -f make.bash || exit 9; echo built; wc -c; echo x >../made';

describe('create -setup', () => {
  it.each(['-setup', '-setup=true', '-setup=T', '--setup-go'])(
    'with %s pushes GOROOT and builds it, with the output on stdout and in a file',
    async (option) => {
      const { shop, create, outputs } = goShop(builds);
      const { code, stdout, stderr } = await create([option, 'local']);
      expect({ code, stdout, stderr }).toMatchObject({ code: 0, stdout: 'me-local-0\nbuilt\n0\n' });
      expect(outputs()).toEqual({ 'me-local-0.stdout': 'built\n0\n' });
      expect(stderr).toMatch(/^# Wrote results from "me-local-0" to ".*\/me-local-0\.stdout"\.$/m);
      const made = await shop.gomote('run', 'me-local-0', 'cat', 'go/made');
      expect(made.stdout.toString()).toBe('x\n');
    },
  );

  it.each([['-setup=false'], ['-setup=0']])('with %s does not', async (option) => {
    const { create, outputs } = goShop(builds);
    expect(await create([option, 'local'])).toEqual({
      code: 0,
      stdout: 'me-local-0\n',
      stderr: '',
    });
    expect(outputs()).toEqual({});
  });

  it('prints JSON on stdout with --json', async () => {
    const { create } = goShop(builds);
    const { code, stdout, stderr } = await create(['-setup', '--json', 'local']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([{ name: 'me-local-0' }]);
    expect(stderr).toContain('built\n');
  });

  it('leaves all buildlets, named and in their group, when a build fails', async () => {
    const { create, list, outputs, shop } = goShop('echo half; exit 2');
    const ended = await create(['-setup', '-count=2', '-new-group=g', 'local']);
    expect(ended).toMatchObject({ code: 1, stdout: 'me-local-0\nme-local-1\n' });
    expect(ended.stderr).toContain(
      'me-local-1| gomote: go/src/make.bash failed on me-local-1: exit status 2; correct it',
    );
    expect(outputs()).toEqual({ 'me-local-0.stdout': 'half\n', 'me-local-1.stdout': 'half\n' });
    expect((await list()).split('\n').sort()).toEqual(['', 'me-local-0', 'me-local-1']);
    const group = (await shop.gomote('group', 'list')).stdout.toString();
    expect(group).toContain('g\tme-local-0\t\n\tme-local-1\t\n');
  });

  it('continues on other buildlets when the build fails on one', async () => {
    const first = join(temporaryDirectory(), 'first');
    const { create, outputs } = goShop(`mkdir ${first} && exit 3; echo fine`);
    const ended = await create(['-setup', '-count=2', 'local']);
    expect(ended).toMatchObject({ code: 1, stdout: 'me-local-0\nme-local-1\n' });
    expect(ended.stderr).toMatch(/failed on 1 of 2: me-local-[01] \(1\)\n/);
    expect(Object.values(outputs()).sort()).toEqual(['', expect.stringContaining('fine\n')]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends the build on %s and leaves the buildlet', async (signal, code) => {
    const { start, list, shop } = goShop('echo begun; exec sleep 600');
    const child = start(['-setup', 'local']);
    const ended = ending(child);
    await new Promise<void>((resolve) => {
      let said = '';
      child.stdout?.on('data', (chunk) => {
        said += chunk;
        if (said.includes('begun\n')) resolve();
      });
    });
    child.kill(signal);
    expect(await ended).toMatchObject({ code });
    expect(await list()).toBe('me-local-0\n');
    const [run] = JSON.parse((await shop.gomote('ps', '--json', 'me-local-0')).stdout.toString());
    expect(run).toMatchObject({ running: false });
  });

  it.each([
    ['no such directory', { GOROOT: '/no/such/directory' }, /cannot read "\/no\/such\/directory"/],
    [
      'another tree',
      { GOROOT: import.meta.dirname },
      /is not a source tree of Go: it has no src\/make/,
    ],
    ['no go', { GOROOT: '' }, /go does not say where its tree is; set GOROOT/],
  ])('creates nothing with %s', async (_what, environment, said) => {
    const { create, list } = goShop(builds);
    const { code, stdout, stderr } = await create(['-setup', 'local'], environment);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(said);
    expect(await list()).toBe('');
  });

  it('ignores a go.mod of the current directory when it chooses the tree', async () => {
    const { shop, create, goroot } = goShop(builds);
    writeFileSync(join(shop.directory, 'go.mod'), 'module x\ntoolchain go1.99.0\n');
    const go = `#!/bin/sh\ntest ! -e go.mod && echo '${goroot}'\n`;
    writeFileSync(join(shop.directory, '.bin/go'), go);
    const ended = await create(['-setup', 'local'], { GOROOT: '' });
    expect(ended).toMatchObject({ code: 0, stdout: 'me-local-0\nbuilt\n0\n' });
  });

  it('refuses a file after one dash, and explains how to give a script', async () => {
    const { create, list } = goShop(builds);
    const { code, stderr } = await create(['-setup', 'prepare.sh', 'local']);
    expect(code).toBe(2);
    expect(stderr).toContain('-setup takes no file, such as "prepare.sh"');
    expect(stderr).toContain('give --setup prepare.sh');
    expect(await list()).toBe('');
  });
});
