// Buildlets of several backends as the ssh of the system sees them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startCoordinator, type TestCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { type Workshop, workshop } from '../helpers/programs.ts';
import { dialling, reversePool } from '../helpers/reverse.ts';
import { hasSsh, useBySsh, withSsh } from '../helpers/ssh.ts';
import { labWithUser } from '../helpers/ssh-workshop.ts';
import { hasSshd } from '../helpers/sshd.ts';

async function logIn({ gomote, directory }: Workshop, { url, fingerprint }: TestCoordinator) {
  const token = join(directory, 'token');
  writeFileSync(token, tokenOf('me'), { mode: 0o600 });
  const words = ['login', url, '--user', 'me', '--token-file', token, '--fingerprint', fingerprint];
  expect(await gomote(...words)).toMatchObject({ code: 0 });
}

async function created({ gomote }: Workshop, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await gomote('create', ...words);
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  return stdout.toString().trim();
}

describe.skipIf(!hasSsh)('ssh to a buildlet', () => {
  it('of a coordinator passes through the coordinator', async () => {
    const shop = workshop();
    await logIn(shop, await startCoordinator());
    await useBySsh(await withSsh(shop, await created(shop, 'linux')));
  });

  it('whose machine dials in passes through that connection', async () => {
    const shop = workshop();
    const prepare = (directory: string) =>
      writeFileSync(join(directory, 'keys'), 'the-key\n', { mode: 0o600 });
    const coordinator = await startCoordinator({ sections: reversePool, prepare });
    const fingerprint = coordinator.fingerprint.replace('sha256:', '');
    await dialling(coordinator.url, { trust: { fingerprint } });
    await logIn(shop, coordinator);
    await useBySsh(await withSsh(shop, await created(shop, 'mac')));
  });

  it.skipIf(!hasSshd)('of another host passes through its sshd', async () => {
    const { host, ...shop } = await labWithUser();
    await useBySsh(await withSsh(shop, await created(shop, host)));
  });
});
