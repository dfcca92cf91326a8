// The scripts of the help and the wiki of Go's gomote, run as they are: in a checkout of Go, which is a small one here.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryDirectory } from '../helpers/temporary.ts';

const root = join(import.meta.dirname, '../..');
const scripts = join(root, 'test/fixtures/go-scripts');

/** make.bash refuses, as Go's does, to run anywhere but in src. */
const makeBash = `#!/bin/sh
set -e
if [ ! -f make.bash ]; then echo 'make.bash must be run from $GOROOT/src' >&2; exit 1; fi
mkdir -p ../bin
cat >../bin/go <<'EOF'
#!/bin/sh
case "$1" in
version) echo go version devel ;;
test)
  echo x >>"$0.count"
  echo "=== $*"
  case "$*" in *MyFlakyTest*) if [ $(wc -l <"$0.count") -ge 3 ]; then echo 'fatal: unexpected return pc for x'; exit 1; fi ;; esac
  echo ok ;;
esac
EOF
chmod +x ../bin/go
echo "Installed commands in $(cd ../bin && pwd | sed 's/.*\\/go/go/')"
`;

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The current directory of the script. */
  readonly goroot: string;
  readonly config: string;
}

function runScript(name: string, flags = ['-e']): Result {
  const directory = temporaryDirectory();
  const [goroot, bin, config] = ['go', 'bin', 'config'].map((part) => join(directory, part)) as [
    string,
    string,
    string,
  ];
  for (const path of [join(goroot, 'src'), bin, join(config, 'gomote')])
    mkdirSync(path, { recursive: true });
  writeFileSync(join(goroot, 'src/make.bash'), makeBash);
  writeFileSync(join(goroot, 'VERSION'), 'devel');
  writeFileSync(join(goroot, '.gitignore'), '/bin\n/*.tar.gz\n/*.stdout\n');
  chmodSync(join(goroot, 'src/make.bash'), 0o755);
  execFileSync('git', ['init', '-q', goroot]);
  symlinkSync(join(root, 'bin/gomote.js'), join(bin, 'gomote'));
  const type = '[builders.linux-amd64]\nhost = "host-local"\n';
  writeFileSync(join(config, 'gomote/config.toml'), type);
  const environment = {
    PATH: `${bin}:${process.env.PATH}`,
    HOME: directory,
    USER: 'me',
    TMPDIR: directory,
    GOROOT: goroot,
    XDG_CONFIG_HOME: config,
    XDG_RUNTIME_DIR: directory,
  };
  const script = [...flags, join(scripts, name)];
  const options = { cwd: goroot, env: environment, encoding: 'utf8' } as const;
  onTestFinished(() => {
    spawnSync('gomote', ['destroy', '--all', '--yes'], options);
  });
  const { status, stdout, stderr } = spawnSync('sh', script, options);
  return { status, stdout, stderr, goroot, config };
}

const groupsLeft = ({ config }: Result): string[] => readdirSync(join(config, 'gomote/groups'));
const count = (text: string, part: string): number => text.split(part).length - 1;

it('a script of Go’s gomote makes a group by hand', () => {
  const result = runScript('group.sh');
  const { status, stdout, stderr } = result;
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stdout).toContain('me-linux-amd64-0\nme-linux-amd64-1\n');
  expect(stdout).toContain('Name\tInstances\t\ndebug\tme-linux-amd64-0\t\n\tme-linux-amd64-1\t\n');
  expect(stdout).toMatch(/^me-linux-amd64-0 \(debug\)\tlinux-amd64\t.*expires in /m);
  for (const name of ['me-linux-amd64-0', 'me-linux-amd64-1']) {
    expect(stdout).toContain(`${name}| Installed commands in go/bin\n`);
    expect(stdout).toMatch(new RegExp(`^${name}\\| .*\tbin/`, 'm'));
    expect(stderr).toContain(`# Destroying ${name}\n`);
  }
  expect(stderr).toContain('# Using group "debug" from GOMOTE_GROUP\n');
  expect(groupsLeft(result)).toEqual([]);
});

it('a script of Go’s gomote creates a group with one member, which acts like that member', () => {
  const result = runScript('short-cuts.sh');
  expect(result).toMatchObject({ status: 0 });
  expect(result.stdout).toBe(
    'me-linux-amd64-0\nInstalled commands in go/bin\n=== test -v -short os\nok\n',
  );
  expect(groupsLeft(result)).toEqual([]);
});

// The command that matches fails, and so does run.
it('a script of Go’s gomote runs with -until and -collect on a group', () => {
  const result = runScript('flaky.sh', []);
  const { status, stdout, stderr, goroot } = result;
  expect({ status, stderr }).toMatchObject({ status: 0 });
  for (const i of [0, 1, 2]) {
    const name = `me-linux-amd64-${i}`;
    expect(count(stderr, `# No match found on "${name}", running again...`)).toBe(2);
    expect(count(stderr, `# Match found on "${name}".`)).toBe(1);
    expect(stdout).toContain(`${name}| fatal: unexpected return pc for x\n`);
    const kept = readFileSync(join(goroot, `${name}.stdout`), 'utf8');
    expect(kept).toBe(
      '=== test -run=MyFlakyTest -count=100 runtime\nfatal: unexpected return pc for x\n',
    );
    const listed = execFileSync('tar', ['-tzf', join(goroot, `${name}.tar.gz`)]).toString();
    expect(listed).toContain('go/bin/go.count\n');
  }
  expect(groupsLeft(result)).toEqual([]);
});

it('a script of Go’s gomote creates with -setup, which builds Go on each buildlet', () => {
  const result = runScript('setup.sh');
  const { status, stdout, stderr } = result;
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const names = ['me-linux-amd64-0', 'me-linux-amd64-1'];
  const lines = stdout.split('\n');
  expect(lines.slice(0, 2)).toEqual(names);
  expect(lines.slice(2, 4).sort()).toEqual(names.map((name) => `${name}| go version devel`));
  expect(lines.slice(4)).toEqual([
    expect.stringMatching(/^me-linux-amd64-\d$/),
    'Installed commands in go/bin',
    '=== test -v -short os',
    'ok',
    '',
  ]);
  expect(groupsLeft(result)).toEqual([]);
});

it('a script of Go’s gomote uses names, and a group by flags', () => {
  const result = runScript('named.sh');
  expect(result).toMatchObject({ status: 0 });
  expect(result.stdout.split('\n').sort()).toEqual(
    [
      '',
      '=== test -v -short os',
      'Installed commands in go/bin',
      'me-linux-amd64-0| Installed commands in go/bin',
      'me-linux-amd64-0| go version devel',
      'me-linux-amd64-1| Installed commands in go/bin',
      'me-linux-amd64-1| go version devel',
      'me-linux-amd64-1',
      'ok',
    ].sort(),
  );
});
