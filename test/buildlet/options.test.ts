import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gceMeta } from '../../src/buildlet/gce-metadata.ts';
import { helpText, readOptions } from '../../src/buildlet/options.ts';
import { startMetadataServer } from '../helpers/metadata-server.ts';
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

  it('have safe defaults', async () => {
    expect(await readOptions([], {})).toEqual({
      address: undefined,
      workDir: undefined,
      powerOff: false,
      password: undefined,
      tls: undefined,
      isSelfSigned: false,
      idleTimeoutMs: undefined,
      maxLifetimeMs: undefined,
      confinement: {
        isolation: 'none',
        network: 'host',
        firewall: 'run',
        hasOwnUser: false,
        readOnly: [],
        writable: [],
        limits: { memoryBytes: undefined, cpus: undefined, pids: undefined },
      },
      caches: [],
      removeAtEnd: [],
      sessions: { quotaBytes: undefined },
    });
  });

  it('have a store of contents for one user, not for a machine of a coordinator', async () => {
    const directory = temporaryDirectory();
    const store = { root: directory, room: 'own', limitBytes: 5 * 1024 ** 3 };
    expect(await readOptions(['--store', directory], {})).toMatchObject({ store });
    const sized = await readOptions(['--store', directory, '--store-size', '10M'], {});
    expect(sized).toMatchObject({ store: { ...store, limitBytes: 10 * 1024 ** 2 } });
    const alone = readOptions(['--store-size', '10M'], {});
    await expect(alone).rejects.toThrow('--store-size needs --store');
    const key = join(directory, 'key');
    writeFileSync(key, 'key', { mode: 0o600 });
    const reverse = ['--coordinator', 'https://host', '--host-type', 'host', '--key-file', key];
    const lent = readOptions(['--store', directory, ...reverse], {});
    await expect(lent).rejects.toThrow('--store is not for a machine of a coordinator');
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
    writeFileSync(join(directory, 'password'), 'other\n', { mode: 0o600 });
    expect(
      await readOptions(['--password-file', join(directory, 'password')], environment),
    ).toMatchObject({ password: 'other' });
  });

  it('read timeouts and where to listen from META_ variables, unless the options say so', async () => {
    const environment = {
      META_IDLE_TIMEOUT: '30m',
      META_max_lifetime: '2h',
      META_listen: '127.0.0.1:8080',
    };
    expect(await readOptions([], environment)).toMatchObject({
      idleTimeoutMs: 1_800_000,
      maxLifetimeMs: 7_200_000,
      address: { host: '127.0.0.1', port: 8080 },
    });
    const line = ['-idle-timeout=5m', '-max-lifetime=0', '-listen=127.0.0.1:1'];
    expect(await readOptions(line, environment)).toMatchObject({
      idleTimeoutMs: 300_000,
      maxLifetimeMs: undefined,
      address: { port: 1 },
    });
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
    [[], { META_idle_timeout: 'soon' }, /META_idle_timeout "soon"/],
    [['--gce=maybe'], {}, '--gce is true or false, not "maybe"'],
    [[], { META_tls_cert: 'x' }, 'META_tls_cert and META_tls_key need each other'],
  ])('%j are refused as wrong usage', async (argv, environment, message) => {
    await expect(readOptions(argv, environment)).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });

  it.each([
    { line: ['--listen', '127.0.0.1:0'] },
    { line: ['--listen', 'localhost:0'] },
    { line: ['--listen', '[::1]:0'] },
    { line: [], environment: { META_listen: '127.0.0.1:0' } },
  ])('make a password for $line when none is given', async ({ line, environment = {} }) => {
    const [one, other] = [
      await readOptions(line, environment),
      await readOptions(line, environment),
    ];
    expect(one).toMatchObject({
      isPasswordMade: true,
      password: expect.stringMatching(/^[\w-]{32}$/),
    });
    expect(one).not.toMatchObject({ password: (other as { password: string }).password });
    const given = await readOptions(line, { ...environment, META_password: 'pw' });
    expect(given).toMatchObject({ isPasswordMade: undefined, password: 'pw' });
    const open = await readOptions([...line, '--insecure-no-password'], environment);
    expect(open).toMatchObject({ isPasswordMade: undefined, password: undefined });
  });

  it('make no password for a Unix socket, and ask for none when the option says so', async () => {
    expect(await readOptions(['--listen', 'unix:/x'], {})).toMatchObject({ password: undefined });
    const open = ['--listen', '0.0.0.0:0', '--insecure-no-password'];
    expect(await readOptions(open, {})).toMatchObject({ password: undefined });
    await expect(readOptions(open, { META_password: 'pw' })).rejects.toMatchObject({
      code: 'ERR_USAGE',
    });
  });

  it('report a password file that is missing or empty', async () => {
    const directory = temporaryDirectory();
    await expect(readOptions(['--password-file', join(directory, 'no')], {})).rejects.toMatchObject(
      { code: 'ERR_CONFIG' },
    );
    writeFileSync(join(directory, 'empty'), '\n', { mode: 0o600 });
    await expect(
      readOptions(['--password-file', join(directory, 'empty')], {}),
    ).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  it.each([0o644, 0o640, 0o604, 0o660])('refuse a secret in a file of mode %o', async (mode) => {
    const file = join(temporaryDirectory(), 'secret');
    writeFileSync(file, 'secret\n');
    chmodSync(file, mode);
    const refusal = { code: 'ERR_CONFIG', hint: `chmod 600 ${file}` };
    await expect(readOptions(['--password-file', file], {})).rejects.toMatchObject(refusal);
    for (const name of ['META_password', 'META_TLS_KEY']) {
      const environment = { META_tls_cert: 'c', META_tls_key: 'k', [name]: `@${file}` };
      if (name === 'META_TLS_KEY') delete (environment as NodeJS.ProcessEnv).META_tls_key;
      await expect(readOptions([], environment)).rejects.toMatchObject(refusal);
    }
  });

  it('set the quota of logs', async () => {
    for (const [size, quotaBytes] of [
      ['512M', 512 << 20],
      ['2G', 2 * 2 ** 30],
      ['700', 700],
    ] as const) {
      expect(await readOptions(['--log-quota', size], {})).toMatchObject({
        sessions: { quotaBytes },
      });
    }
    await expect(readOptions(['--log-quota', '1.5G'], {})).rejects.toMatchObject({
      code: 'ERR_USAGE',
    });
  });

  it('are all in the help', async () => {
    for (const option of [
      'listen',
      'workdir',
      'halt',
      'password-file',
      'idle-timeout',
      'max-lifetime',
      'gce',
      'remove-at-end',
      'log-quota',
      'version',
      'help',
    ]) {
      expect(helpText).toContain(`--${option}`);
    }
    expect(await readOptions(['-h'], {})).toBe('help');
    expect(await readOptions(['-version'], {})).toBe('version');
  });
});

describe('the buildlet on Compute Engine', () => {
  async function machine(attributes: Record<string, string>) {
    const server = await startMetadataServer(attributes);
    onTestFinished(() => server.close());
    return { server, environment: { GCE_METADATA_HOST: server.host, META_password: 'not this' } };
  }
  const tls = { 'tls-cert': 'CERT', 'tls-key': 'KEY' };

  it('is configured by the attributes of its machine instead of the environment', async () => {
    const attributes = {
      ...tls,
      password: 'pw',
      'buildlet-host-type': 'host-linux',
      'idle-timeout': '30m',
      'max-lifetime': '2h',
    };
    const { server, environment } = await machine(attributes);
    expect(await readOptions([], environment)).toMatchObject({
      address: { kind: 'tcp', host: '', port: 443 },
      powerOff: true,
      password: 'pw',
      tls: { certPem: 'CERT', keyPem: 'KEY' },
      idleTimeoutMs: 1_800_000,
      maxLifetimeMs: 7_200_000,
    });
    expect(server.requests).toHaveLength(1);
    expect(await readOptions(['-halt=false', '-idle-timeout=0'], environment)).toMatchObject({
      powerOff: false,
      idleTimeoutMs: undefined,
    });
  });

  it('listens where it is told to, on port 80 without TLS, where the firewall replaces its password', async () => {
    const hostType = { 'buildlet-host-type': 'host-linux' };
    const plain = await machine(hostType);
    expect(await readOptions([], plain.environment)).toMatchObject({
      address: { host: '', port: 80 },
      password: undefined,
    });
    const told = await machine({ ...hostType, ...tls, listen: ':8443' });
    expect(await readOptions([], told.environment)).toMatchObject({ address: { port: 8443 } });
    const line = ['--gce', '--listen', '127.0.0.9:0'];
    expect(await readOptions(line, told.environment)).toMatchObject({
      address: { host: '127.0.0.9', port: 0 },
      tls: { certPem: 'CERT' },
    });
  });

  it('is an ordinary buildlet on other machines, in a pod, and with --listen', async () => {
    const ordinary = await machine({ password: 'of the machine' });
    expect(await readOptions([], ordinary.environment)).toMatchObject({
      address: undefined,
      powerOff: false,
      password: 'not this',
    });
    const made = await machine({ 'buildlet-host-type': 'host-linux', password: 'of the machine' });
    const pod = { ...made.environment, IN_KUBERNETES: '1' };
    expect(await readOptions([], pod)).toMatchObject({ password: 'not this', powerOff: false });
    for (const line of [['--gce=false'], ['--listen', '127.0.0.1:0']]) {
      expect(await readOptions(line, made.environment)).toMatchObject({
        password: 'not this',
        powerOff: false,
      });
    }
    expect(made.server.requests).toEqual([]);
  });

  it('fails with a clear error where no metadata server answers', async () => {
    const { server, environment } = await machine({});
    server.close();
    await expect(gceMeta(environment, 0)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining(`metadata of this machine from ${server.host}`),
      hint: expect.stringContaining('--gce=false'),
    });
  });
});
