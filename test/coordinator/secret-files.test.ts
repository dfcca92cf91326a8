// Files with secrets that a configuration names: none is used that others can read or write, or that another user has made.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { serve } from '../../src/coordinator/serve.ts';
import { Users } from '../../src/coordinator/state/users.ts';
import { messageOf } from '../../src/errors.ts';
import { writeUsers } from '../helpers/coordinator.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasRoot } from '../helpers/tools.ts';

const isRoot = hasRoot();
const nobody = 65534;

const toml = `
listen = "127.0.0.1:0"
state-directory = "state"
users-file = "secret/users.json"
tls = { cert-file = "cert.pem", key-file = "secret/key.pem" }
[hosts.one]
[hosts.two]
[builders.a]
host = "one"
[builders.b]
host = "two"
[pools.fixed]
kind = "static"
host = "one"
machines = [
  { address = "127.0.0.1:1", password-file = "secret/password" },
  { address = "127.0.0.1:2", key-pair-file = "secret/pair.pem" },
]
[pools.dialling]
kind = "reverse"
host = "two"
key-file = "secret/keys"
`;

const secrets = ['users.json', 'key.pem', 'password', 'pair.pem', 'keys'];

const pair = newKeyPair();

async function setUp(text = toml, directory = temporaryDirectory()): Promise<string> {
  const { certPem, keyPem } = await pair;
  writeUsers(directory, { me: {} });
  mkdirSync(join(directory, 'secret'), { recursive: true });
  const put = (name: string, content: string) => {
    writeFileSync(join(directory, name), content, { mode: 0o600 });
  };
  put('coordinator.toml', text);
  put('cert.pem', certPem);
  put('secret/key.pem', keyPem);
  put('secret/password', 'pw\n');
  put('secret/pair.pem', certPem + keyPem);
  put('secret/keys', 'key\n');
  renameSync(join(directory, 'state', 'users.json'), join(directory, 'secret', 'users.json'));
  return directory;
}

/** How the start of the coordinator fails; undefined when it does not. */
async function refusal(directory: string): Promise<unknown> {
  try {
    const config = loadCoordinatorConfig(join(directory, 'coordinator.toml'));
    const log = { write: () => undefined };
    await (await serve(config, { environment: {}, log })).drain(0);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** With a copy of a good users file, the coordinator starts all the same. */
const forgetUsers = (directory: string): void =>
  rmSync(join(directory, 'state', 'users-copy.json'));

const spoiled: [string, (path: string) => void][] = [
  ...[0o644, 0o640, 0o604, 0o660, 0o620, 0o602, 0o666].map(
    (mode): [string, (path: string) => void] => [
      `has mode 0${mode.toString(8)}`,
      (path) => chmodSync(path, mode),
    ],
  ),
  ...(isRoot
    ? [['is another user’s', (path) => chownSync(path, nobody, nobody)] as (typeof spoiled)[number]]
    : []),
];

describe('a coordinator', () => {
  it.each(spoiled)('does not start with a secret that %s', async (_what, spoil) => {
    for (const name of secrets) {
      const directory = await setUp();
      expect(await refusal(directory)).toBeUndefined();
      forgetUsers(directory);
      const path = join(directory, 'secret', name);
      spoil(path);
      const error = await refusal(directory);
      expect(error).toMatchObject({ code: 'ERR_CONFIG' });
      expect(error).toMatchObject({ hint: expect.stringContaining(`chmod 600 ${path}`) });
      expect(messageOf(error)).toContain(path);
      expect(messageOf(error)).toMatch(/\(mode 0[0-7]{3}\)$/);
    }
  });

  it('does not start with a key of its own, or users of its own, that others can read', async () => {
    const own = toml.replace(/users-file.*\n/, '').replace(/tls =.*\n/, '');
    for (const name of ['users.json', 'tls-key.pem']) {
      const directory = await setUp(own);
      expect(await refusal(directory)).toBeUndefined();
      forgetUsers(directory);
      const path = join(directory, 'state', name);
      if (name === 'users.json') writeFileSync(path, '{"users":{}}');
      chmodSync(path, 0o640);
      expect(await refusal(directory)).toMatchObject({
        code: 'ERR_CONFIG',
        hint: expect.stringContaining(`chmod 600 ${path}`),
      });
    }
  });

  it('refuses a configuration that others can write', async () => {
    const directory = await setUp();
    for (const mode of [0o666, 0o620, 0o602]) {
      chmodSync(join(directory, 'coordinator.toml'), mode);
      expect(() => loadCoordinatorConfig(join(directory, 'coordinator.toml'))).toThrow(
        /coordinator\.toml can be changed by others/,
      );
    }
    chmodSync(join(directory, 'coordinator.toml'), 0o644);
    expect(await refusal(directory)).toBeUndefined();
  });

  it('starts without a secret that is added later, and refuses a users file that others can read', async () => {
    const directory = await setUp();
    for (const name of ['password', 'pair.pem', 'keys']) rmSync(join(directory, 'secret', name));
    expect(await refusal(directory)).toBeUndefined();
    const path = join(directory, 'secret', 'users.json');
    const users = new Users(path);
    expect(users.check('me', 'token-me')).toBeDefined();
    writeFileSync(path, '{"users":{}}');
    chmodSync(path, 0o644);
    expect(users.check('me', 'token-me')).toBeDefined();
    expect(users.trouble).toContain('can be read by others');
    expect(() => new Users(path).check('me', 'token-me')).toThrow('can be read by others');
  });

  it('names a secret in one line', async () => {
    const directory = await setUp();
    const path = join(directory, 'secret', 'keys');
    chmodSync(path, 0o644);
    const program = join(projectRoot, 'bin/coordinator.js');
    const ran = () =>
      execFileSync(process.execPath, [program, 'serve', '--config', 'coordinator.toml'], {
        cwd: directory,
        stdio: 'pipe',
      });
    expect(ran).toThrow(
      `coordinator: key-file: ${path} can be read by others (mode 0644); chmod 600 ${path}\n`,
    );
  });
});

it.runIf(isRoot).each([0o440, 0o640])(
  'a coordinator takes mounted secrets of root with mode %o only if its own group reads them',
  async (mode) => {
    // Not below the test's own directory, which another user cannot enter.
    const directory = mkdtempSync(join(tmpdir(), 'gomote-test-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    chmodSync(directory, 0o755);
    // As the kubelet lays them out.
    const data = join(directory, '..2026_11_27');
    mkdirSync(data);
    symlinkSync('..2026_11_27', join(directory, '..data'));
    symlinkSync('..data/key', join(directory, 'key'));
    writeFileSync(join(data, 'key'), 'the-key');
    chownSync(join(data, 'key'), 0, nobody);
    chmodSync(join(data, 'key'), mode);
    const entry = join(projectRoot, 'src/files/private-file.ts');
    const bundle = join(directory, 'private-file.cjs');
    buildSync({ entryPoints: [entry], outfile: bundle, bundle: true, platform: 'node' });
    const script = `
      const { readSecretFile } = require(${JSON.stringify(bundle)});
      const [path, uid, ...groups] = JSON.parse(process.argv[1]);
      process.setgroups(groups.slice(1));
      process.setgid(groups[0]);
      process.setuid(uid);
      try { console.log(readSecretFile(path)); } catch (error) { console.log(error.message); }
    `;
    const as = (uid: number, ...groups: number[]): string => {
      const who = JSON.stringify([join(directory, 'key'), uid, ...groups]);
      return execFileSync(process.execPath, ['-e', script, who], { encoding: 'utf8' }).trim();
    };
    expect(as(1000, nobody)).toBe('the-key');
    expect(as(1000, 1000, nobody)).toBe('the-key');
    expect(as(0, 0, nobody)).toBe('the-key');
    expect(as(0, 0)).toContain('can be read by others');
    // Group 0 is given to the users of some clusters; root is in it anyway.
    chownSync(join(data, 'key'), 0, 0);
    expect(as(1000, 0)).toBe('the-key');
    expect(as(1000, 1000)).not.toContain('the-key');
    expect(as(0, 0)).toContain('can be read by others');
    chownSync(join(data, 'key'), 0, nobody);
    chmodSync(join(data, 'key'), mode | 0o004);
    expect(as(1000, nobody)).toContain('can be read by others');
  },
);
