// Tokens over HTTP: Bearer and Basic, those that may only watch, and those that have ended.
import { describe, expect, it } from 'vitest';
import { ask, startCoordinator, tokenOf } from '../helpers/coordinator.ts';

const users = {
  me: {},
  prometheus: { role: 'metrics' as const },
  late: { expires: '2026-01-01T00:00:00Z' },
};

const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });

describe('a token', () => {
  it('is accepted as a Bearer token without a name', async () => {
    const coordinator = await startCoordinator({ users });
    const reply = await ask(coordinator, '/buildlet/types', bearer(tokenOf('me')));
    expect(JSON.parse(reply.text).User).toMatchObject({ Name: 'me', Admin: false });
    expect((await ask(coordinator, '/buildlet/types', bearer('guess'))).status).toBe(401);
    const none = { headers: { Authorization: 'Bearer' } };
    expect((await ask(coordinator, '/buildlet/types', none)).status).toBe(400);
  });

  it.each([{ user: 'prometheus' }, bearer(tokenOf('prometheus'))])(
    'of a monitor reads the metrics and nothing else, as %j',
    async (how) => {
      const coordinator = await startCoordinator({ users });
      const { name } = await coordinator.client('me').requestBuildlet('linux');
      expect((await ask(coordinator, '/metrics', how)).text).toContain('gomote_sessions');
      for (const path of ['/buildlet/list', '/buildlet/types', '/machine/list']) {
        expect(await ask(coordinator, path, how)).toEqual({
          status: 401,
          text: 'this token is for /metrics only\n',
        });
      }
      // Not even by that path, on a buildlet.
      const headers = { ...('headers' in how && how.headers), 'X-Buildlet-Proxy': name };
      expect((await ask(coordinator, '/metrics', { ...how, headers })).status).toBe(401);
      const create = { ...how, method: 'POST', body: 'version=20160922&builderType=linux' };
      expect((await ask(coordinator, '/buildlet/create', create)).status).toBe(401);
    },
  );

  it('is reported to its owner as expired', async () => {
    const coordinator = await startCoordinator({ users });
    const ended = /this token has expired: ask an admin for another/;
    expect((await ask(coordinator, '/buildlet/list', { user: 'late' })).text).toMatch(ended);
    expect((await ask(coordinator, '/buildlet/list', bearer(tokenOf('late')))).text).toMatch(ended);
    expect((await ask(coordinator, '/metrics', { user: 'me' })).status).toBe(401);
  });
});
