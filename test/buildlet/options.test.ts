import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { helpText, readOptions } from '../../src/buildlet/options.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

describe('the buildlet’s options', () => {
  it('are taken with one dash or two, with = or a space', async () => {
    const expected = {
      workDir: '/w',
      powerOff: true,
      idleTimeoutMs: 90_000,
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    };
    const lines = [
      ['--workdir', '/w', '--halt=true', '--idle-timeout', '90s', '--listen', '127.0.0.1:0'],
      ['-workdir=/w', '-halt', '-idle-timeout=1m30s', '-listen=127.0.0.1:0'],
    ];
    for (const line of lines) expect(await readOptions(line, {})).toMatchObject(expected);
  });

  it('have defaults that harm nobody', async () => {
    expect(await readOptions([], {})).toEqual({
      address: undefined,
      workDir: undefined,
      powerOff: false,
      password: undefined,
      tls: undefined,
      idleTimeoutMs: undefined,
      maxLifetimeMs: undefined,
      removeAtEnd: [],
    });
  });

  it('read META_ variables in both spellings, and files named with @', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'cert'), 'CERT\n');
    const environment = {
      META_tls_cert: `@${join(directory, 'cert')}`,
      META_TLS_KEY: 'KEY',
      META_PASSWORD: 'pw',
    };
    expect(await readOptions([], environment)).toMatchObject({
      tls: { certPem: 'CERT', keyPem: 'KEY' },
      password: 'pw',
    });
    writeFileSync(join(directory, 'password'), 'other\n');
    expect(
      await readOptions(['--password-file', join(directory, 'password')], environment),
    ).toMatchObject({ password: 'other' });
  });

  it.each([
    [
      ['--listen', '0.0.0.0:0'],
      {},
      'listening on 0.0.0.0:0 without a password would let anyone run commands here',
    ],
    [
      ['--listen', ':8080'],
      {},
      'listening on :8080 without a password would let anyone run commands here',
    ],
    [['--listen', 'nonsense'], {}, 'cannot listen on "nonsense"'],
    [['--listen', '127.0.0.1:70000'], {}, 'cannot listen on "127.0.0.1:70000"'],
    [
      ['--listen', `unix:/${'x'.repeat(107)}`],
      {},
      /a unix socket's path has 1 to 107 bytes, not 108/,
    ],
    [['--halt=maybe'], {}, '--halt is true or false, not "maybe"'],
    [['--idle-timeout', 'soon'], {}, /--idle-timeout "soon"/],
    [['--bogus'], {}, /'--bogus'/],
    [['extra'], {}, /'extra'/],
    [[], { META_tls_cert: 'x' }, 'META_tls_cert and META_tls_key go together'],
  ])('%j are refused as wrong usage', async (argv, environment, message) => {
    await expect(readOptions(argv, environment)).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });

  it('a password file that is missing or empty is an error', async () => {
    const directory = temporaryDirectory();
    await expect(readOptions(['--password-file', join(directory, 'no')], {})).rejects.toMatchObject(
      { code: 'ERR_CONFIG' },
    );
    writeFileSync(join(directory, 'empty'), '\n');
    await expect(
      readOptions(['--password-file', join(directory, 'empty')], {}),
    ).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  it('are all in the help', async () => {
    for (const option of [
      'listen',
      'workdir',
      'halt',
      'password-file',
      'idle-timeout',
      'max-lifetime',
      'remove-at-end',
      'version',
      'help',
    ]) {
      expect(helpText).toContain(`--${option}`);
    }
    expect(await readOptions(['-h'], {})).toBe('help');
    expect(await readOptions(['-version'], {})).toBe('version');
  });
});
