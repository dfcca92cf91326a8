// gomote login --sso against a coordinator with a real OpenID provider.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startCoordinator } from '../helpers/coordinator.ts';
import { Browser, clientSecret, publicUrl, startProvider } from '../helpers/oidc.ts';
import { until } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('login --sso prints the address to open, waits, and logs in as the user that the provider names', async () => {
  const issuer = await startProvider({ anna: [] });
  const coordinator = await startCoordinator({
    prepare: (directory) => writeFileSync(join(directory, 'secret'), clientSecret, { mode: 0o600 }),
    sections: `[oidc]\nissuer = "${issuer}"\nclient-id = "gomote"\nclient-secret-file = "secret"\nurl = "${publicUrl}"`,
  });
  const home = temporaryDirectory();
  const gomote = (...argv: string[]) => {
    const child = spawn(process.execPath, [join(projectRoot, 'bin/gomote.js'), ...argv], {
      env: { PATH: process.env.PATH, HOME: home, XDG_CONFIG_HOME: join(home, 'config') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    child.stderr.on('data', (chunk) => (said.err += chunk));
    return { said, ended: once(child, 'close') };
  };
  const pin = ['--fingerprint', coordinator.fingerprint];
  const login = gomote('login', coordinator.url, '--sso', '--quiet', ...pin);
  await until(() => login.said.err.includes('confirm the code'));
  const [, url = ''] = /open (\S+) in a browser/.exec(login.said.err) ?? [];
  const browser = new Browser(coordinator.url);
  await browser.submit(await browser.get(url), 'anna');
  expect(await login.ended).toEqual([0, null]);
  const who = gomote('whoami');
  await who.ended;
  expect(who.said.out).toMatch(/^team\tanna\tuser\t0 of 20 buildlets$/m);
  const none = await startCoordinator();
  const refused = gomote(
    'login',
    none.url,
    '--sso',
    '--fingerprint',
    none.fingerprint,
    '--name',
    'n',
  );
  expect(await refused.ended).toEqual([1, null]);
  expect(refused.said.err).toContain('has no provider to sign in by; sign in with a token');
});
