// Engines that are reached by other ways than a socket on this machine.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { withoutProgress } from '../helpers/progress.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasTool } from '../helpers/tools.ts';
import { images, newLab } from './lab.ts';

const engineSocket = (process.env.DOCKER_HOST ?? '').replace('unix://', '');
const isLocalEngine = (process.env.DOCKER_HOST ?? '').startsWith('unix://');
const hasOpenssl = hasTool('openssl', 'version');

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** An authority, and certificates of an engine and of a client that it has signed, where DOCKER_CERT_PATH has them. */
function certificates(): string {
  const directory = temporaryDirectory();
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  const subject = (name: string) => ['-subj', `/CN=${name}`, '-nodes', '-newkey', 'rsa:2048'];
  openssl('req', '-x509', ...subject('authority'), '-keyout', 'ca-key.pem', '-out', 'ca.pem');
  writeFileSync(join(directory, 'names'), 'subjectAltName=IP:127.0.0.1');
  for (const [name, key, cert] of [
    ['engine', 'engine-key.pem', 'engine.pem'],
    ['client', 'key.pem', 'cert.pem'],
  ] as const) {
    openssl('req', ...subject(name), '-keyout', key, '-out', 'request.pem');
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial', '-extfile', 'names'];
    openssl('x509', '-req', '-in', 'request.pem', ...by, '-out', cert);
  }
  return directory;
}

/** Makes a buildlet there, uses it and destroys it. */
async function tryOut(environment: NodeJS.ProcessEnv): Promise<void> {
  const { gomote } = newLab('', '');
  const call = { environment };
  const made = await gomote(['create', `docker:${images.shell}`, '--network', 'none'], call);
  expect(made.code).toBe(0);
  expect(withoutProgress(made.stderr)).toBe('');
  const name = made.stdout.trim();
  const run = await gomote(['run', name, 'sh', '-c', 'cat; echo out'], {
    ...call,
    stdin: ['in\n'],
  });
  expect(run).toMatchObject({ code: 0, stdout: 'in\nout\n' });
  expect((await gomote(['list'], call)).stdout).toContain(name);
  expect((await gomote(['destroy', name], call)).code).toBe(0);
}

describe.runIf(isLocalEngine)('an engine', () => {
  it('behind a port is used', async () => {
    const server = createServer((client) => client.pipe(connect(engineSocket)).pipe(client));
    await tryOut({ DOCKER_HOST: `tcp://127.0.0.1:${await portOf(server)}` });
  });

  it.runIf(hasOpenssl)(
    'behind TLS is used with the certificates of DOCKER_CERT_PATH, and no other',
    async () => {
      const DOCKER_CERT_PATH = certificates();
      const pem = (name: string) => readFileSync(join(DOCKER_CERT_PATH, name));
      const server = createTlsServer(
        {
          ...{ cert: pem('engine.pem'), key: pem('engine-key.pem'), ca: pem('ca.pem') },
          ...{ requestCert: true, rejectUnauthorized: true },
        },
        (client) => client.pipe(connect(engineSocket)).pipe(client),
      );
      const DOCKER_HOST = `tcp://127.0.0.1:${await portOf(server)}`;
      await tryOut({ DOCKER_HOST, DOCKER_CERT_PATH, DOCKER_TLS_VERIFY: '1' });
      // By a context of docker's.
      const DOCKER_CONFIG = temporaryDirectory();
      const id = createHash('sha256').update('box').digest('hex');
      const meta = join(DOCKER_CONFIG, 'contexts', 'meta', id);
      const tls = join(DOCKER_CONFIG, 'contexts', 'tls', id, 'docker');
      for (const directory of [meta, tls]) mkdirSync(directory, { recursive: true });
      for (const name of ['ca.pem', 'cert.pem', 'key.pem'])
        writeFileSync(join(tls, name), pem(name));
      const endpoints = { docker: { Host: DOCKER_HOST, SkipTLSVerify: false } };
      writeFileSync(join(meta, 'meta.json'), JSON.stringify({ Name: 'box', Endpoints: endpoints }));
      await tryOut({ DOCKER_HOST: '', DOCKER_CONFIG, DOCKER_CONTEXT: 'box' });
      // Another authority's engine.
      const { gomote } = newLab('', '');
      const refused = await gomote(['create', `docker:${images.shell}`], {
        environment: { DOCKER_HOST, DOCKER_CERT_PATH: certificates(), DOCKER_TLS_VERIFY: '1' },
      });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(`cannot reach the Docker engine ${DOCKER_HOST}`);
      expect(refused.stderr).toContain('DOCKER_CERT_PATH');
    },
  );

  it('behind ssh is used by the command that docker uses', async () => {
    const bin = temporaryDirectory();
    const said = join(bin, 'said');
    // What the shell of a host would do.
    const script = `#!/bin/sh
echo "$*" >>'${said}'
while [ "$1" != -- ]; do shift; done
shift 2
DOCKER_HOST='${process.env.DOCKER_HOST}' exec "$@"
`;
    writeFileSync(join(bin, 'ssh'), script);
    chmodSync(join(bin, 'ssh'), 0o755);
    const before = process.env.PATH;
    process.env.PATH = `${bin}:${before}`;
    try {
      await tryOut({ DOCKER_HOST: 'ssh://me@box:2222' });
    } finally {
      process.env.PATH = before;
    }
    const words = '-T -l me -p 2222 -- box docker system dial-stdio';
    expect(readFileSync(said, 'utf8')).toContain(words);
  });

  it.each([
    ['nothing is', () => Promise.resolve('tcp://127.0.0.1:1'), 'start the engine'],
    [
      'something else is',
      async () =>
        `tcp://127.0.0.1:${await portOf(
          createServer((client) => {
            client.on('error', () => undefined);
            client.once('data', () => client.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'));
          }),
        )}`,
      'what answers there is not an engine',
    ],
  ])('is named in the error when %s there', async (_title, host, words) => {
    const { gomote } = newLab('', '');
    const DOCKER_HOST = await host();
    const { code, stderr } = await gomote(['create', `docker:${images.shell}`], {
      environment: { DOCKER_HOST },
    });
    expect(code).toBe(1);
    expect(stderr).toContain(DOCKER_HOST);
    expect(stderr).toContain(words);
  });
});
