import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readOptions } from '../../src/buildlet/options.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const url = 'https://coordinator.example:8443';
const hex = 'ab'.repeat(32);

function keyFile(text = 'the-key\n'): string {
  const path = join(temporaryDirectory(), 'key');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const read = (argv: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
  readOptions(['--coordinator', url, '--host-type', 'mac', ...argv], environment);

describe('the options of a buildlet that dials a coordinator', () => {
  it('name the coordinator, the host type, and the trusted certificate', async () => {
    const argv = ['--key-file', keyFile(), '--machine', 'mac-1', '--fingerprint', `SHA256:${hex}`];
    expect(await read(argv, { HTTPS_PROXY: 'proxy:3128' })).toMatchObject({
      address: undefined,
      reverse: {
        coordinator: url,
        hostType: 'mac',
        key: 'the-key',
        machine: 'mac-1',
        trust: { fingerprint: hex, caPem: undefined },
        proxy: 'http://proxy:3128',
      },
    });
  });

  it('default to the host name of the machine, and take the authorities from a file', async () => {
    const ca = keyFile('PEM\n');
    const options = await read(['--key-file', keyFile(), '--ca-file', ca]);
    expect(options).toMatchObject({
      reverse: { machine: hostname().split('.')[0], trust: { caPem: 'PEM' }, proxy: undefined },
    });
  });

  it.each<[readonly string[], NodeJS.ProcessEnv, RegExp]>([
    [['--coordinator', url], {}, /--coordinator needs --host-type and --key-file/],
    [['--host-type', 'mac'], {}, /--host-type goes with --coordinator/],
    [['--machine', 'a b', ...['--key-file', 'KEY']], {}, /a machine cannot be called "a b"/],
    [['--key-file', 'KEY', '--fingerprint', 'abc'], {}, /--fingerprint "abc" is not one/],
    [['--key-file', 'KEY', '--coordinator', 'ftp://x'], {}, /"ftp:\/\/x" is not a URL of a/],
    [['--key-file', 'KEY', '--coordinator', `${url}/path`], {}, /is not a URL of a coordinator/],
    [['--key-file', 'KEY', '--coordinator', 'http://far.example'], {}, /unprotected/],
    [['--key-file', 'KEY', '--listen', '127.0.0.1:0'], {}, /cannot go with --listen/],
    [['--key-file', 'KEY'], { META_password: 'x' }, /cannot go with --listen, a password/],
    [['--key-file', 'EMPTY'], {}, /holds no key/],
  ])('%j are refused', async (argv, environment, message) => {
    const files: Record<string, string> = { KEY: keyFile(), EMPTY: keyFile('\n') };
    const words = argv.map((word) => files[word] ?? word);
    const whole = argv[0] === '--coordinator' || argv[0] === '--host-type';
    const refused = whole ? readOptions(words, environment) : read(words, environment);
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: expect.stringMatching(message),
    });
  });
});
