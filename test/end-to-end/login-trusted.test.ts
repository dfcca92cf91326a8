// Logging in where the system trusts the certificate: it is not pinned, and may be renewed.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('a certificate that the system trusts is not pinned: a renewed one locks nobody out', async () => {
  const coordinator = await startCoordinator();
  const state = join(coordinator.directory, 'state');
  const home = temporaryDirectory();
  const trusted = join(home, 'trusted.pem');
  const next = await newKeyPair();
  writeFileSync(trusted, readFileSync(join(state, 'tls-cert.pem')));
  const token = join(home, 'token');
  writeFileSync(token, tokenOf('me'), { mode: 0o600 });
  const gomote = async (...argv: string[]) => {
    const env = {
      ...{ PATH: process.env.PATH, HOME: home, XDG_CONFIG_HOME: join(home, 'config') },
      ...{ XDG_STATE_HOME: join(home, 'state'), NODE_EXTRA_CA_CERTS: trusted },
    };
    const program = join(projectRoot, 'bin/gomote.js');
    return await promisify(execFile)(process.execPath, [program, ...argv], { env });
  };
  const argv = ['login', coordinator.url, '--user', 'me', '--token-file', token];
  const { stderr } = await gomote(...argv);
  expect(stderr).not.toContain('sha256:');
  const logins = readFileSync(join(home, 'config', 'gomote', 'logins.toml'), 'utf8');
  expect(logins).not.toContain('fingerprint');
  expect((await gomote('whoami')).stdout).toContain('team\tme\tuser');
  await coordinator.restart(() => {
    writeFileSync(trusted, next.certPem);
    writeFileSync(join(state, 'tls-key.pem'), next.keyPem, { mode: 0o600 });
    writeFileSync(join(state, 'tls-cert.pem'), next.certPem, { mode: 0o600 });
  });
  expect((await gomote('whoami')).stdout).toContain('team\tme\tuser');
});
