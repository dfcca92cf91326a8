// The environment of a command is not that of the shell, make or git that created its buildlet.
import { existsSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ending, type Workshop, workshop } from '../helpers/programs.ts';

/** What tools set, and what must not reach a build. */
const foreign = {
  ...{ PWD: '/elsewhere', OLDPWD: '/elsewhere', SHLVL: '3', _: '/usr/bin/make' },
  ...{ MAKEFLAGS: 'i', MFLAGS: '-i', MAKELEVEL: '1', MAKEOVERRIDES: 'CC=false', CC: 'false' },
  ...{ GIT_DIR: '/elsewhere/.git', GIT_INDEX_FILE: '/elsewhere/index', GIT_AUTHOR_NAME: 'me' },
  ...{ npm_config_prefix: '/elsewhere', npm_lifecycle_event: 'test', INIT_CWD: '/elsewhere' },
  ...{ VIRTUAL_ENV: '/venv', PYTHONPATH: '/elsewhere', CARGO_TARGET_DIR: '/elsewhere' },
  ...{ DIRENV_DIR: '-/elsewhere', SSH_AUTH_SOCK: '/agent', SSH_CONNECTION: '::1', DISPLAY: ':0' },
  ...{ LS_COLORS: 'di=1', TERM: 'xterm', COLUMNS: '80', AWS_SECRET_ACCESS_KEY: 'secret' },
  ...{
    GOFLAGS: '-mod=mod',
    LD_PRELOAD: '',
    HTTPS_PROXY: 'http://proxy:1',
    META_password: 'secret',
  },
};

const kept = {
  ...{ LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TZ: 'Europe/Berlin', SHELL: '/bin/sh' },
  GO_BUILDER_ENV: 'host-linux',
};

async function createIn(shop: Workshop, environment: NodeJS.ProcessEnv, ...options: string[]) {
  const env = { ...shop.environment, ...environment };
  const created = await ending(shop.start('gomote', ['create', ...options, 'local'], { env }));
  expect(created).toMatchObject({ code: 0 });
  return created.stdout.toString().trim();
}

async function environmentOf(shop: Workshop, name: string, ...options: string[]) {
  const { stdout } = await shop.gomote('run', ...options, name, 'env', '-0');
  const pairs = stdout.toString().split('\0').filter(Boolean);
  return Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s, 2))) as NodeJS.ProcessEnv;
}

describe('a command', () => {
  it('gets the base environment, and nothing else of the environment of create', async () => {
    const shop = workshop();
    const name = await createIn(shop, { ...foreign, ...kept });
    const environment = await environmentOf(shop, name);
    const { WORKDIR = '', TMPDIR = '' } = environment;
    expect(environment).toEqual({
      ...kept,
      PATH: shop.environment.PATH,
      HOME: shop.directory,
      USER: 'me',
      LOGNAME: expect.any(String),
      PWD: WORKDIR,
      TMPDIR,
      WORKDIR,
      GOROOT_BOOTSTRAP: join(WORKDIR, 'go1.4'),
      GOMOTE_COMMAND: expect.stringContaining(WORKDIR),
    });
    expect(realpathSync(WORKDIR)).toBe(WORKDIR);
    expect(statSync(TMPDIR).mode & 0o777).toBe(0o700);
    await shop.gomote('run', name, 'sh', '-c', 'rm -rf "$TMPDIR"');
    await shop.gomote('run', name, 'sh', '-c', 'echo left > "$TMPDIR/x"');
    expect(readFileSync(join(TMPDIR, 'x'), 'utf8')).toBe('left\n');
    await shop.gomote('destroy', name);
    expect(existsSync(TMPDIR)).toBe(false);
  });

  it('has its own directory as PWD, whatever it is given', async () => {
    const shop = workshop();
    const name = await createIn(shop, foreign);
    await shop.gomote('run', name, 'mkdir', 'sub');
    const options = ['-e', 'PWD=/elsewhere', '-e', 'TMPDIR=/var/tmp', '--dir', 'sub'];
    const environment = await environmentOf(shop, name, ...options);
    expect(environment.PWD).toBe(join(environment.WORKDIR ?? '', 'sub'));
    expect(environment.TMPDIR).toBe('/var/tmp');
  });

  it('gets the whole environment with --inherit-env, except settings of buildlets and its own directories', async () => {
    const shop = workshop();
    const name = await createIn(shop, foreign, '--inherit-env');
    const environment = await environmentOf(shop, name);
    const { META_password, PWD, ...others } = foreign;
    expect(environment).toMatchObject(others);
    expect(environment.META_password).toBeUndefined();
    expect(environment.PWD).toBe(environment.WORKDIR);
  });

  it('gets what the configuration sets for the backend', async () => {
    const shop = workshop();
    const config = join(shop.directory, 'config');
    const text = '[backends.local]\nkind = "local"\ninherit-env = true\n';
    await shop.run('mkdir', '-m', '700', config);
    writeFileSync(join(config, 'config.toml'), text);
    const name = await createIn(shop, { ...foreign, GOMOTE_CONFIG_DIR: config });
    expect(await environmentOf(shop, name)).toMatchObject({ VIRTUAL_ENV: '/venv' });
  });
});
