// A coordinator's client from flags and configuration, and the names of Go's package that go with it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { afterEach, expect, it, vi } from 'vitest';
import {
  CoordinatorClient,
  defaultInstance,
  newCoordinatorClientFromFlags,
  newKeyPair,
  registerFlags,
  stagingInstance,
} from '../../src/index.ts';
import { parseListLine } from '../../src/protocol/listing.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const config = `
default = "team"
user = "me"
[backends.team]
url = "https://team.example"
[backends.staging]
url = "https://staging.example"
`;

function setUp(): string {
  const directory = join(temporaryDirectory(), 'config');
  mkdirSync(directory, { mode: 0o700 });
  const files = { 'config.toml': config, 'user-me.token': 'mine\n', 'user-you.token': 'yours\n' };
  const all = { ...files, 'staging-user-me.token': 'of staging\n' };
  for (const [name, text] of Object.entries(all))
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  vi.stubEnv('GOMOTE_CONFIG_DIR', directory);
  for (const name of ['GOMOTE_BACKEND', 'GOMOTE_USER', 'GOMOTE_STAGING']) vi.stubEnv(name, '');
  return directory;
}

afterEach(() => {
  vi.unstubAllEnvs();
});

it.each([
  [[], 'https://team.example', 'user-me', 'mine'],
  [['--user', 'you'], 'https://team.example', 'user-you', 'yours'],
  [['--staging', '-v'], 'https://staging.example', 'user-me', 'of staging'],
])('the flags %j choose the coordinator and the user', async (args, origin, username, password) => {
  setUp();
  const options = registerFlags({ verbose: { type: 'boolean', short: 'v' } } as const);
  const { values } = parseArgs({ args, options });
  const client = await newCoordinatorClientFromFlags(values);
  expect(client.instance).toMatchObject({ origin });
  expect(client.auth).toEqual({ username, password });
});

it('a coordinator is chosen by its name or by variables; an invalid one is refused', async () => {
  setUp();
  const { instance } = await newCoordinatorClientFromFlags({ instance: stagingInstance });
  expect(instance).toMatchObject({ origin: 'https://staging.example' });
  const usual = await newCoordinatorClientFromFlags({ instance: defaultInstance });
  expect(usual.instance).toMatchObject({ origin: 'https://team.example' });
  vi.stubEnv('GOMOTE_STAGING', '1');
  const staged = await newCoordinatorClientFromFlags({});
  expect(staged.instance).toMatchObject({ origin: 'https://staging.example' });
  await expect(newCoordinatorClientFromFlags({ instance: 'local' })).rejects.toMatchObject({
    code: 'ERR_CONFIG',
    message: 'backend "local" is not a coordinator',
  });
});

it('a client of a coordinator has its address and user, and prints without the token', () => {
  const auth = { username: 'user-me', password: 'secret' };
  const client = new CoordinatorClient({ auth, instance: 'build.example' });
  expect([client.auth, client.instance]).toEqual([auth, 'build.example']);
  expect(`${JSON.stringify(client)}${String(client)}`).not.toContain('secret');
});

it('an entry of a listing prints as its line', () => {
  const line = '-rw-r--r--\tdir/file\t3\t2017-06-02T03:04:05Z';
  expect(String(parseListLine(line))).toBe(line);
  expect(Object.keys(parseListLine(line) ?? {})).not.toContain('toString');
});

it('a key pair has the names of its server, and those of every machine for itself', async () => {
  const { X509Certificate } = await import('node:crypto');
  const pair = await newKeyPair(['build.example', '10.0.0.7']);
  const certificate = new X509Certificate(pair.certPem);
  for (const name of ['build.example', 'localhost']) expect(certificate.checkHost(name)).toBe(name);
  for (const ip of ['10.0.0.7', '127.0.0.1']) expect(certificate.checkIP(ip)).toBe(ip);
});
