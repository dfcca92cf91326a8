// What gomote list --all and gomote whoami tell of a coordinator.
import { expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';

const users = {
  me: { maximum: 3, expires: '2099-01-01T00:00:00Z' },
  root: { role: 'admin' as const },
};

async function loggedIn(user: string, coordinator: Awaited<ReturnType<typeof startCoordinator>>) {
  const cli = testCli();
  const { url, fingerprint } = coordinator;
  const argv = ['login', url, '--fingerprint', fingerprint, '--user', user];
  expect(await cli(argv, { stdin: [`${tokenOf(user)}\n`] })).toMatchObject({ code: 0 });
  return cli;
}

it('an admin lists the buildlets of all users with owner and machine; others list their own', async () => {
  const coordinator = await startCoordinator({ users });
  const { name } = await coordinator.client('me').requestBuildlet('linux');
  const root = await loggedIn('root', coordinator);
  expect((await root(['list'])).stdout).toBe('');
  const { stdout } = await root(['list', '--all']);
  const fields = stdout.trimEnd().split('\t');
  expect([fields[0], fields.at(-2)]).toEqual([name, 'me']);
  expect(coordinator.buildlets.map(({ address }) => address)).toContain(fields.at(-1));
  const [row] = JSON.parse((await root(['list', '--all', '--json'])).stdout);
  expect(row).toMatchObject({ name, owner: 'me', machine: fields.at(-1), state: 'running' });
  const me = await loggedIn('me', coordinator);
  const [own] = JSON.parse((await me(['list', '--all', '--json'])).stdout);
  expect(own).toMatchObject({ name, owner: 'me' });
  expect(own).not.toHaveProperty('machine');
  expect((await me(['whoami'])).stdout).toBe(
    'local\tme\nteam\tme\tuser\t1 of 3 buildlets\ttoken ends 2099-01-01T00:00:00.000Z\n',
  );
});
