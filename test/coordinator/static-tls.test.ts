// Static machines with TLS: what their owner prints is what the coordinator pins, end to end.
import { spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { fingerprintOf } from '../../src/http/client/pin.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** Starts `buildlet --tls self-signed`; what it listens on, and the fingerprint that it prints. */
async function selfSigned(home: string) {
  const passwordFile = join(home, 'password');
  writeFileSync(passwordFile, 'secret\n', { mode: 0o600 });
  const argv = ['--listen', '127.0.0.1:0', '--tls', 'self-signed', '--password-file', passwordFile];
  const child = spawn(process.execPath, [join(projectRoot, 'bin/buildlet.js'), ...argv], {
    env: { PATH: process.env.PATH, HOME: home, XDG_STATE_HOME: join(home, 'state') },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  await until(() => stdout.endsWith('\n'));
  const end = async () => {
    child.kill('SIGTERM');
    await once(child, 'close');
  };
  const fingerprint = /certificate is (sha256:[0-9a-f]{64})\n/.exec(stderr)?.[1] ?? stderr;
  return { address: stdout.trim(), fingerprint, passwordFile, end };
}

/** A coordinator with one machine, as its line in the configuration says. */
async function withMachine(line: string, prepare?: (directory: string) => void) {
  const sections = `[hosts.far]\n[builders.far]\nhost = "far"\n[pools.far]\nkind = "static"\nhost = "far"\nmachines = [${line}]`;
  return await startCoordinator({ sections, ...(prepare && { prepare }) });
}

it('a buildlet prints the fingerprint of its own certificate, keeps it, and is reached by it', async () => {
  const home = temporaryDirectory();
  const first = await selfSigned(home);
  await first.end();
  const machine = await selfSigned(home);
  expect(machine.fingerprint).toBe(first.fingerprint);
  const { address, passwordFile, fingerprint } = machine;
  const of = (sha: string) =>
    `{ address = "${address}", password-file = "${passwordFile}", fingerprint = "${sha}" }`;
  const { client } = await withMachine(of(fingerprint));
  const buildlet = await client('me').createBuildlet('far');
  onTestFinished(() => buildlet.disconnect());
  expect((await buildlet.status()).version).toBe(11);
  const wrong = await withMachine(of(`sha256:${'0'.repeat(64)}`));
  await expect(wrong.client('me').requestBuildlet('far')).rejects.toThrow(
    /no machine of far is up: .*its certificate is not the pinned one \(seen: sha256:/,
  );
});

describe('a key pair file', () => {
  it.each([
    ['PKCS#1 and the password of the key', 'pkcs1', false],
    ['PKCS#8 and the password of the key', 'pkcs8', false],
    ['PKCS#8 and a password of its own', 'pkcs8', true],
  ] as const)('may have a key as %s', async (_, type, hasPassword) => {
    const pair = await newKeyPair();
    const keyPem = `${createPrivateKey(pair.keyPem).export({ type, format: 'pem' })}`;
    const { createHash } = await import('node:crypto');
    const password = hasPassword ? 'own' : createHash('sha1').update(keyPem).digest('hex');
    const machine = await startBuildlet({
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      tls: { certPem: pair.certPem, keyPem },
      password,
    });
    const line = `{ address = "${machine.address}", key-pair-file = "pair.pem"${hasPassword ? ', password-file = "password"' : ''} }`;
    const { client } = await withMachine(line, (directory) => {
      writeFileSync(join(directory, 'pair.pem'), `${pair.certPem}${keyPem}`, { mode: 0o600 });
      writeFileSync(join(directory, 'password'), 'own\n', { mode: 0o600 });
    });
    const buildlet = await client('me').createBuildlet('far');
    onTestFinished(() => buildlet.disconnect());
    expect((await buildlet.status()).version).toBe(11);
  });

  it('with a key that needs a passphrase is refused with that reason', async () => {
    const pair = await newKeyPair();
    const keyPem = createPrivateKey(pair.keyPem).export({
      ...{ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
    } as never);
    const line = '{ address = "127.0.0.1:1", key-pair-file = "pair.pem" }';
    await expect(
      withMachine(line, (directory) =>
        writeFileSync(join(directory, 'pair.pem'), `${pair.certPem}${keyPem}`, { mode: 0o600 }),
      ),
    ).rejects.toThrow('a key that needs no passphrase');
  });
});

it('the certificate that a coordinator makes has names of its machine, and shows what it is', async () => {
  const { X509Certificate } = await import('node:crypto');
  const { tlsIdentity } = await import('../../src/coordinator/state/tls-identity.ts');
  const listen = { kind: 'tcp', host: '192.0.2.7', port: 1 } as const;
  const made = await tlsIdentity({ tls: 'self-signed', listen }, temporaryDirectory());
  const certificate = new X509Certificate(made?.certPem ?? '');
  expect(certificate.subject).toMatch(/CN=gomote coordinator /);
  expect(certificate.subjectAltName).toContain('IP Address:192.0.2.7');
  expect(fingerprintOf(made?.certPem ?? '')).toMatch(/^[0-9a-f]{64}$/);
});
