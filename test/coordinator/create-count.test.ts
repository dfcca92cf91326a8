// Several buildlets in one request: all or none, in one place of the queue.
import { describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backends/open.ts';
import { createAll } from '../../src/gomote/create-all.ts';
import { ask, startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';

const users = { me: {}, other: {}, small: { maximum: 2 }, root: { role: 'admin' as const } };
const form = { 'Content-Type': 'application/x-www-form-urlencoded' };

describe('a create of several buildlets', () => {
  it('waits for all of them, so that two creates never wait for each other', async () => {
    const coordinator = await startCoordinator({ users, machines: 3 });
    const [me, other] = [coordinator.client('me'), coordinator.client('other')];
    const steps: string[] = [];
    const mine = me.requestAll('linux', 2);
    const theirs = other.requestAll('linux', 2, { onProgress: (step) => steps.push(step) });
    const first = await Promise.race([mine, theirs]);
    expect(first?.buildlets).toHaveLength(2);
    expect(first?.builder?.name).toBe('linux');
    const [winner, later] = first?.buildlets[0]?.user === 'user-me' ? [me, theirs] : [other, mine];
    await until(async () => {
      const { queue } = coordinator.coordinator.views.of({ name: 'root', isAdmin: true });
      return queue.length === 1 && queue[0]?.count === 2;
    });
    for (const { name } of first?.buildlets ?? []) await winner.namedBuildlet(name).halt();
    const second = await later;
    expect(new Set(second?.buildlets.map(({ name }) => name)).size).toBe(2);
  });

  it.each([
    [
      'than the pool has machines',
      'me',
      4,
      'ERR_NO_CAPACITY',
      /4 buildlets can never be had at once: there are 3/,
    ],
    [
      'than the user may have',
      'small',
      3,
      'ERR_QUOTA',
      /you have 0 buildlets, and ask for 3, and your limit is 2: ask for fewer/,
    ],
  ])('is refused at once when it asks for more %s', async (_, user, count, code, message) => {
    const coordinator = await startCoordinator({ users, machines: 3 });
    const client = coordinator.client(user);
    await expect(client.requestAll('linux', count)).rejects.toMatchObject({ code, message });
    expect(await client.remoteBuildlets()).toEqual([]);
    expect(coordinator.coordinator.views.of({ name: 'root', isAdmin: true }).sessions).toEqual([]);
  });

  it('returns the same buildlets for the same key, also after a restart', async () => {
    const coordinator = await startCoordinator({ users, machines: 3 });
    const body = 'version=20160922&builderType=linux&count=2&key=0123456789abcdef';
    const post = () =>
      ask(coordinator, '/buildlet/create', { user: 'me', method: 'POST', headers: form, body });
    const first = await post();
    expect(first.status).toBe(200);
    const names = (text: string) => JSON.parse(text).map(({ Name }: { Name: string }) => Name);
    expect(names(first.text)).toEqual(['user-me-linux-0', 'user-me-linux-1']);
    expect(names((await post()).text)).toEqual(names(first.text));
    await coordinator.restart();
    expect(names((await post()).text)).toEqual(names(first.text));
  });

  it.each(['0', '-1', '1.5', '101', 'x', '', '1e2', ' 2'])(
    'refuses the count %j',
    async (count) => {
      const coordinator = await startCoordinator({ users });
      const body = `version=20160922&builderType=linux&count=${encodeURIComponent(count)}`;
      const options = { user: 'me', method: 'POST', headers: form, body };
      expect(await ask(coordinator, '/buildlet/create', options)).toMatchObject({
        status: 400,
        text: expect.stringContaining("bad 'count' parameter"),
      });
    },
  );

  it('leaves nothing when its client disconnects while it waits', async () => {
    const coordinator = await startCoordinator({ users, machines: 2 });
    const first = await coordinator.client('me').requestBuildlet('linux');
    const leaving = new AbortController();
    const view = () => coordinator.coordinator.views.of({ name: 'root', isAdmin: true });
    const both = coordinator
      .client('other')
      .requestAll('linux', 2, { signal: leaving.signal })
      .catch((error) => error.code);
    await until(() => view().queue.length === 1);
    leaving.abort();
    expect(await both).toBe('ERR_ABORTED');
    await until(() => view().sessions.length === 1);
    expect(view().queue).toEqual([]);
    await coordinator.client('me').namedBuildlet(first.name).halt();
    expect((await coordinator.client('other').requestAll('linux', 2))?.buildlets).toHaveLength(2);
  });

  it('is the request of gomote create --count', async () => {
    const coordinator = await startCoordinator({ users, machines: 2 });
    const fingerprint = coordinator.fingerprint.replace('sha256:', '');
    const backend = await openBackend({
      ...{ kind: 'coordinator', name: 'team', url: coordinator.url, fingerprint },
      ...{ user: 'me', token: tokenOf('me') },
    });
    const { signal } = new AbortController();
    const type = { name: 'linux', hostType: '', env: [] };
    const made = await createAll(backend, type, 2, { user: 'me', host: { name: '' }, signal });
    expect(made.map(({ name }) => name)).toEqual(['user-me-linux-0', 'user-me-linux-1']);
    const creates = coordinator.log.filter(({ path }) => path === '/buildlet/create');
    expect(creates).toHaveLength(1);
  });
});
