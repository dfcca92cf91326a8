// What `coordinator check` finds: files that are missing or do not go together, ports in use, and dangerous settings.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { check } from '../../src/coordinator/check.ts';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { writeUsers } from '../helpers/coordinator.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const pool = (more: string) => `
[hosts.h]
[builders.b]
host = "h"
[pools.p]
host = "h"
${more}
`;
const one = pool(
  'kind = "static"\nmachines = [{ address = "127.0.0.1:1", password-file = "password" }]',
);

interface Place {
  readonly toml: string;
  readonly files?: Record<string, string>;
  readonly users?: Record<string, object>;
}

async function checked({ toml, files = {}, users = { me: {} } }: Place) {
  const directory = temporaryDirectory();
  writeUsers(directory, users);
  for (const [name, text] of Object.entries({ password: 'secret\n', ...files })) {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  }
  writeFileSync(join(directory, 'c.toml'), `state-directory = "state"\n${toml}`);
  return await check(loadCoordinatorConfig(join(directory, 'c.toml')), process.env);
}

const listen = 'listen = "127.0.0.1:0"\n';

describe('coordinator check', () => {
  it('reports nothing for a sound configuration', async () => {
    expect(await checked({ toml: listen + one })).toMatchObject({ faults: [], warnings: [] });
  });

  const [first, second] = [newKeyPair(), newKeyPair()];
  const ownTls = 'tls = { cert-file = "cert.pem", key-file = "key.pem" }\n';
  const keyPairPool = pool(
    'kind = "static"\nmachines = [{ address = "127.0.0.1:1", key-pair-file = "pair.pem" }]',
  );
  const mixed = async () => ({ cert: (await first).certPem, key: (await second).keyPem });
  const faults: [string, () => Place | Promise<Place>, RegExp][] = [
    [
      'a certificate that is missing',
      () => ({ toml: listen + ownTls + one }),
      /cannot read .*cert\.pem/,
    ],
    [
      'a key of another certificate',
      async () => {
        const { cert, key } = await mixed();
        return { toml: listen + ownTls + one, files: { 'cert.pem': cert, 'key.pem': key } };
      },
      /^tls: certificate and key: .*mismatch/,
    ],
    [
      'a machine’s key of another certificate',
      async () => {
        const { cert, key } = await mixed();
        return { toml: listen + keyPairPool, files: { 'pair.pem': cert + key } };
      },
      /^\[pools\.p\] 127\.0\.0\.1:1: .*mismatch/,
    ],
    [
      'a machine’s key pair that is missing',
      () => ({ toml: listen + keyPairPool }),
      /^\[pools\.p\] .*pair\.pem/,
    ],
    [
      'a key file without a key',
      () => ({
        toml: listen + pool('kind = "reverse"\nkey-file = "keys"'),
        files: { keys: '# none\n' },
      }),
      /^\[pools\.p\] key-file: .* has no key/,
    ],
  ];
  it.each(faults)('finds %s', async (_title, place, text) => {
    const { faults } = await checked(await place());
    expect(faults).toEqual([expect.stringMatching(text)]);
  });

  it('finds a port in use, and everything else, too', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const toml = `listen = "127.0.0.1:${port}"\n${ownTls}${one}`;
    const { faults } = await checked({ toml });
    expect(faults).toEqual([
      expect.stringMatching(/cert\.pem/),
      `listen: 127.0.0.1:${port}: another program listens there`,
    ]);
  });

  it.each([
    [
      'tokens in the clear',
      'listen = "0.0.0.0:0"\ntls = "off"\n',
      one,
      /^tls = "off" on an address/,
    ],
    ['open metrics', 'listen = "0.0.0.0:0"\nopen-metrics = true\n', one, /^open-metrics/],
    ['trust in everybody', `${listen}trusted-proxies = ["0.0.0.0/0"]\n`, one, /^trusted-proxies/],
    [
      'commands that are not confined',
      listen,
      pool('kind = "local"\nmaximum = 1\nisolation = "none"'),
      /isolation = "none"/,
    ],
    [
      'machines without a password',
      listen,
      pool('kind = "static"\nmachines = [{ address = "127.0.0.1:1" }]'),
      /no key pair and no password/,
    ],
  ])('warns of %s', async (_title, settings, pools, text) => {
    const { faults, warnings } = await checked({ toml: settings + pools });
    expect(faults).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(text)]);
  });

  it('warns when nobody can sign in', async () => {
    const { warnings } = await checked({ toml: listen + one, users: {} });
    expect(warnings).toEqual([expect.stringContaining('nobody can use it')]);
  });
});
