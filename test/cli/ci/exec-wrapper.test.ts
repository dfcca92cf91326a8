// gomote exec-wrapper, by itself and as go, cargo and CMake run it.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ending, type Workshop, workshop } from '../../helpers/programs.ts';
import { hasTool } from '../../helpers/tools.ts';

interface Site extends Workshop {
  readonly tree: string;
  readonly name: string;
  /** Runs a program in the tree, or below. */
  at(dir: string, command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Done>;
}

interface Done {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A tree with these files, in which programs run, and a buildlet that commands without a name are for. */
async function site(files: Record<string, string>): Promise<Site> {
  const shop = workshop();
  const tree = join(shop.directory, 'tree');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
    if (text.startsWith('#!')) chmodSync(join(tree, path), 0o755);
  }
  await shop.run('git', 'init', '-q', tree);
  const name = await shop.create();
  const { environment } = shop;
  const { RUSTUP_HOME = join(process.env.HOME ?? '', '.rustup') } = process.env;
  const own = { ...environment, GOMOTE_BUILDLET: name, RUSTUP_HOME };
  const at: Site['at'] = async (dir, command, args, env = {}) => {
    const cwd = join(tree, dir);
    const ended = await ending(shop.start(command, args, { cwd, env: { ...own, ...env } }));
    return { code: ended.code, stdout: ended.stdout.toString(), stderr: ended.stderr };
  };
  return { ...shop, tree, name, at };
}

const wrapper = 'gomote exec-wrapper';

describe('exec-wrapper', () => {
  it('runs a program in the same directory of the tree there, with its arguments, variables and input', async () => {
    const { at, gomote, name } = await site({
      'sub/testdata/in': 'data\n',
      'prog/check': '#!/bin/sh\npwd; cat testdata/in; echo "$A|$1|$2|$#"; cat; exit 3\n',
    });
    const args = ['-c', `echo typed | ${wrapper} -e A=b ../prog/check "x y" --help`];
    const { code, stdout, stderr } = await at('sub', 'sh', args);
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
    const [dir, ...lines] = stdout.split('\n');
    expect(dir).toMatch(/\/tree\/sub$/);
    expect(lines).toEqual(['data', 'b|x y|--help|2', 'typed', '']);
    expect((await gomote('ls', name, '.gomote-exec')).stdout.toString()).not.toBe('');
  });

  it('sends a program once for each content, and what changes in the tree each time', async () => {
    const { at, tree } = await site({ prog: '#!/bin/sh\ncat data\n', data: '1' });
    const puts = async () => {
      const { code, stdout, stderr } = await at('.', 'sh', ['-c', `${wrapper} --verbose prog`]);
      expect(code).toBe(0);
      return { stdout, count: stderr.match(/PUT |\/put|\/file\?/g)?.length ?? 0 };
    };
    const first = await puts();
    const again = await puts();
    writeFileSync(join(tree, 'data'), '22');
    const changed = await puts();
    expect([first, again, changed].map(({ stdout }) => stdout)).toEqual(['1', '1', '22']);
    expect(again.count).toBeLessThan(first.count);
    writeFileSync(join(tree, 'prog'), '#!/bin/sh\necho other\n');
    const other = await puts();
    expect(other).toEqual({ stdout: 'other\n', count: first.count });
  });

  it('runs where nothing was pushed, sends files along, and fetches files on request', async () => {
    const { at, tree } = await site({
      prog: '#!/bin/sh\ncat "$(dirname "$0")/lib"; echo result > out\n',
      lib: 'beside\n',
    });
    mkdirSync(join(tree, 'empty'));
    const line = `${wrapper} --no-push --send ../lib --get out ../prog`;
    expect(await at('empty', 'sh', ['-c', line])).toMatchObject({ code: 0, stdout: 'beside\n' });
    expect(readFileSync(join(tree, 'empty/out'), 'utf8')).toBe('result\n');
    const elsewhere = await at('..', 'sh', ['-c', `${wrapper} --root tree tree/prog`]);
    expect(elsewhere).toMatchObject({ code: 0, stdout: '', stderr: expect.stringMatching('lib') });
  });

  it('ends with 125 when it could not run the program, and reports why', async () => {
    const { at, gomote, name } = await site({ prog: '#!/bin/sh\n' });
    const cases: ReadonlyArray<[string, RegExp]> = [
      [`${wrapper} nosuch`, /cannot read .*nosuch/],
      [`${wrapper} --on nosuch-0 prog`, /nosuch-0/],
      [`${wrapper} --root /nosuch prog`, /nosuch/],
      [`GOMOTE_BUILDLET=a,b ${wrapper} prog`, /one buildlet, not for 2/],
      [`GOMOTE_BUILDLET= ${wrapper} --backend local prog`, /needs a buildlet|Using/],
    ];
    for (const [line, why] of cases) {
      const { code, stderr } = await at('.', 'sh', ['-c', line]);
      expect({ line, code, stderr }).toEqual({
        line,
        code: 125,
        stderr: expect.stringMatching(why),
      });
    }
    await gomote('destroy', name);
    expect((await at('.', 'sh', ['-c', `${wrapper} prog`])).code).toBe(125);
  });
});

describe.skipIf(!hasTool('go', 'version'))('go test -exec', () => {
  it('runs the tests of each package with their test data', async () => {
    const test = (name: string) =>
      `package ${name}\nimport ("os"; "testing")\nfunc TestData(t *testing.T) {\n` +
      'b, err := os.ReadFile("testdata/in")\nif err != nil { t.Fatal(err) }\n' +
      'if string(b) != "good" { t.Fatalf("got %q", b) }\nt.Log(os.Getenv("PWD")) }\n';
    const { at } = await site({
      'go.mod': 'module example.com/x\n',
      'a/a_test.go': test('a'),
      'a/testdata/in': 'good',
      'b/b_test.go': test('b'),
      'b/testdata/in': 'bad',
    });
    const args = ['test', '-vet=off', '-v', '-exec', wrapper, './...'];
    const { code, stdout } = await at('.', 'go', args);
    expect(code).toBe(1);
    expect(stdout).toMatch(/\/tree\/a\n--- PASS: TestData/);
    expect(stdout).toMatch(/ok {2}\texample.com\/x\/a/);
    expect(stdout).toContain('got "bad"');
    expect(stdout).toMatch(/FAIL\texample.com\/x\/b/);
  });
});

describe.skipIf(!hasTool('cargo'))('cargo test with a runner', () => {
  it('runs the tests of the package', async () => {
    const { at } = await site({
      'Cargo.toml':
        '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\ndoctest = false\n',
      'lib.rs':
        '#[test]\nfn good() { assert_eq!(std::fs::read_to_string("data").unwrap(), "1"); }\n' +
        '#[test]\nfn bad() { panic!("no"); }\n',
      data: '1',
      '.gomoteignore': 'target\n',
    });
    const host = await at('.', 'rustc', ['-vV']);
    const target = /^host: (.*)$/m.exec(host.stdout)?.[1] ?? '';
    const variable = `CARGO_TARGET_${target.toUpperCase().replaceAll('-', '_')}_RUNNER`;
    const { code, stdout } = await at('.', 'cargo', ['test', '--offline'], { [variable]: wrapper });
    expect(stdout).toMatch(/test good \.\.\. ok/);
    expect(stdout).toMatch(/test bad \.\.\. FAILED/);
    expect(code).toBe(101);
  });
});

describe.skipIf(!hasTool('cmake'))('CMake with an emulator', () => {
  it('runs the tests of a build', async () => {
    const { at } = await site({
      'CMakeLists.txt': [
        'cmake_minimum_required(VERSION 3.18)',
        'project(x C)',
        'set(CMAKE_CROSSCOMPILING_EMULATOR "gomote;exec-wrapper")',
        'enable_testing()',
        'add_executable(prog main.c)',
        'add_test(NAME good COMMAND prog data)',
        'add_test(NAME bad COMMAND prog nosuch)',
        `set_tests_properties(good bad PROPERTIES WORKING_DIRECTORY $${'{CMAKE_SOURCE_DIR}'})`,
        '',
      ].join('\n'),
      'main.c':
        '#include <stdio.h>\nint main(int c, char **v) { FILE *f = fopen(v[1], "r"); puts(f ? "open" : "none"); return !f; }\n',
      data: '1',
      '.gomoteignore': 'build\n',
    });
    expect((await at('.', 'cmake', ['-S', '.', '-B', 'build'])).code).toBe(0);
    expect((await at('.', 'cmake', ['--build', 'build'])).code).toBe(0);
    const { code, stdout } = await at('build', 'ctest', ['-V']);
    expect(stdout).toMatch(/1: Test command: .*gomote.*exec-wrapper/);
    expect(stdout).toMatch(/1\/2 Test #1: good \.+ +Passed/);
    expect(stdout).toMatch(/2\/2 Test #2: bad \.+\*\*\*Failed/);
    expect(code).toBe(8);
  });
});
