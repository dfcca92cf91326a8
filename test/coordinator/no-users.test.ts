// A coordinator whose users file is absent, empty or about somebody else.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ask, startCoordinator } from '../helpers/coordinator.ts';

const usersIn = (directory: string): string => join(directory, 'state', 'users.json');

it.each([
  { file: 'absent', prepare: (directory: string) => rmSync(usersIn(directory)) },
  { file: 'empty', prepare: () => undefined },
])(
  'a coordinator whose users file is $file admits nobody, and reports that at its start',
  async (row) => {
    const coordinator = await startCoordinator({ users: {}, machines: 1, prepare: row.prepare });
    for (const name of ['constructor', '__proto__', 'toString', '']) {
      for (const token of ['', 'undefined']) {
        const pair = Buffer.from(`user-${name}:${token}`).toString('base64');
        const headers = { Authorization: `Basic ${pair}` };
        expect((await ask(coordinator, '/buildlet/list', { headers })).status).toBe(401);
      }
    }
    expect(coordinator.log).toContainEqual({
      event: 'no-users',
      what: expect.stringContaining('users.json has no user with a token'),
      hint: 'coordinator user add NAME',
    });
  },
);

it('a coordinator with a user does not warn that there are none', async () => {
  const coordinator = await startCoordinator({ machines: 1 });
  expect(coordinator.log.map(({ event }) => event)).not.toContain('no-users');
});
