// Caches of a coordinator's machines.
import { describe, expect, it } from 'vitest';
import { hasBubblewrap } from '../helpers/bubblewrap.ts';
import { testCli } from '../helpers/cli.ts';
import { Collector } from '../helpers/collect.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';

const withCaches = (caches: string, { isolation = 'bubblewrap', more = '', pool = '' } = {}) =>
  startCoordinator({
    users: { me: {}, other: {} },
    sections: [
      '[hosts.kept]',
      `caches = [${caches}]`,
      '[builders.kept]',
      'host = "kept"',
      more,
      pool ||
        `[pools.kept]\nkind = "local"\nhost = "kept"\nmaximum = 4\nwarm = 1\nisolation = "${isolation}"`,
    ].join('\n'),
  });

type Coordinator = Awaited<ReturnType<typeof startCoordinator>>;

async function runFor(user: string, coordinator: Coordinator, script: string): Promise<string> {
  const client = coordinator.client(user);
  const made = await client.requestAll('kept', 1);
  const buildlet = client.namedBuildlet(made?.buildlets[0]?.name ?? '');
  const output = new Collector();
  await buildlet.exec('/bin/sh', { systemLevel: true, output, args: ['-c', script] });
  await buildlet.halt();
  return output.text;
}

describe.skipIf(!hasBubblewrap)('a cache of a coordinator', () => {
  it.each([
    ['is one for each user', '{ name = "c", path = "~/c" }', ''],
    ['is shared where that is said', '{ name = "c", path = "~/c", shared = true }', "me's\n"],
  ])('%s', async (_what, cache, seen) => {
    const coordinator = await withCaches(cache);
    await runFor('me', coordinator, 'echo "me\'s" >~/c/file');
    expect(await runFor('me', coordinator, 'cat ~/c/file')).toBe("me's\n");
    expect(await runFor('other', coordinator, 'cat ~/c/* 2>/dev/null')).toBe(seen);
  });
});

it("a user's own cache is refused by the command line, and no buildlet is made", async () => {
  const { url, fingerprint } = await startCoordinator({ users: { me: {} } });
  const cli = testCli();
  const login = ['login', url, '--fingerprint', fingerprint, '--name', 'team', '--user', 'me'];
  expect(await cli(login, { stdin: [tokenOf('me')] })).toMatchObject({ code: 0 });
  expect(await cli(['create', '--backend', 'team', '--cache', 'c:x', 'linux'])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /"team" keeps no caches.*at a coordinator its host types have them/s,
    ),
  });
  expect(await cli(['list'])).toMatchObject({ code: 0, stdout: '' });
});

it.each([
  [
    'of a builder type',
    { more: 'caches = [{ name = "c", path = "x" }]' },
    /builders\.kept\.caches.*it is the host type that has caches/,
  ],
  [
    'of machines that go from one user to the next',
    {
      pool: '[pools.kept]\nkind = "static"\nhost = "kept"\nmachines = [{ address = "127.0.0.1:1" }]',
    },
    /pools\.kept\.host.*a pool of kind static cannot keep/,
  ],
])('a configuration with caches %s is refused', async (_what, options, said) => {
  await expect(withCaches('{ name = "c", path = "x" }', options)).rejects.toThrow(said);
});
