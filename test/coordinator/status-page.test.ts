// The status page in a real browser, in front of a real coordinator with real buildlets.
import type { Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import {
  askPage,
  browse,
  faultsOf,
  hasBrowser,
  picture,
  signIn,
  visit,
} from '../helpers/browser.ts';
import { startCoordinator, type TestCoordinator } from '../helpers/coordinator.ts';

const users = { me: {}, other: {}, boss: { role: 'admin' } } as const;

async function create(from: TestCoordinator, user: string): Promise<BuildletClient> {
  const buildlet = await from.client(user).createBuildlet('linux');
  onTestFinished(() => buildlet.disconnect());
  return buildlet;
}

/** The cells of each row of the list, as a person reads them. */
async function rows(page: Page): Promise<string[][]> {
  const found = await page.getByRole('table', { name: 'Buildlets' }).locator('.rows .row').all();
  return await Promise.all(
    found.map(async (row) =>
      (await row.locator('> div:visible').allInnerTexts()).map((text) =>
        text.replaceAll(/\s+/g, ' '),
      ),
    ),
  );
}

const namesIn = async (page: Page) => (await rows(page)).map(([name]) => name);

describe.runIf(hasBrowser)('the status page', () => {
  it('admits users with a token, and shows them their own rows', async () => {
    const coordinator = await startCoordinator({ users, machines: 2 });
    await create(coordinator, 'me');
    await create(coordinator, 'other');
    const { page, complaints } = await browse();
    await visit(page, coordinator.url);
    await page.getByLabel('User').fill('me');
    await page.getByLabel('Token').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toMatch(/user or the token is wrong/);
    expect(complaints.splice(0)).toEqual([expect.stringContaining('401')]);
    await signIn(page, coordinator, 'me');
    expect(await rows(page)).toEqual([
      [
        'user-me-linux-0',
        expect.stringMatching(/healthy|not asked yet/),
        'host-linux',
        expect.stringMatching(/^\d+ s$/),
        expect.stringMatching(/^in (29 min|30 min)/),
        'idle',
      ],
    ]);
    const pool = page.getByRole('article', { name: 'Pool host-linux' });
    expect(await pool.innerText()).toMatch(/2 of 2 in use · full/);
    // Of machines that are another's, a user learns no more than that they are in use.
    await pool.getByText('2 in use', { exact: true }).click();
    await pool.getByRole('listitem').first().waitFor();
    expect(await pool.getByRole('listitem').allInnerTexts()).toEqual(
      expect.arrayContaining([expect.stringMatching(/ in use by user-me-linux-0 of me$/)]),
    );
    expect(await page.content()).not.toContain('user-other');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
    await visit(page, coordinator.url);
    await page.getByLabel('Token').waitFor();
    expect(complaints).toEqual([]);
  });

  it('shows an admin all rows, what runs, who waits and what died, as it happens', async () => {
    const coordinator = await startCoordinator({
      users,
      machines: 3,
      toml: 'probe-interval = "50ms"\ngrace-time = "0"',
    });
    const { page, complaints } = await browse({ viewport: { width: 1280, height: 800 } });
    await signIn(page, coordinator, 'boss');
    expect(await page.getByText('No buildlets.').isVisible()).toBe(true);
    expect(await page.getByLabel('Problems').isVisible()).toBe(false);
    const mine = await create(coordinator, 'me');
    const others = await create(coordinator, 'other');
    await page.getByRole('row', { name: 'user-other-linux-0' }).waitFor();
    const leave = new AbortController();
    const call = { systemLevel: true, signal: leave.signal };
    const running = mine.exec('sh', { ...call, args: ['-c', 'sleep 1000', '<b>x'] });
    const building = others.exec('sh', { ...call, args: ['-c', 'make -j8 all; sleep 1000'] });
    for (const one of [running, building]) one.catch(() => undefined);
    await page.getByText('sleep 1000 <b>x').waitFor();
    await page.getByText('make -j8 all').waitFor();
    expect(await namesIn(page)).toEqual(['user-me-linux-0', 'user-other-linux-0']);
    await create(coordinator, 'other');
    const waiting = coordinator.client('me').createBuildlet('linux', { signal: leave.signal });
    await page.getByText('me is next of host-linux').waitFor();
    await page.getByRole('heading', { name: '1 request waits for host-linux' }).waitFor();
    await coordinator.buildlets[2]?.close();
    await page.getByRole('row', { name: /user-other-linux-1.*dead/ }).waitFor();
    await page.getByRole('heading', { name: 'user-other-linux-1 is dead' }).waitFor();
    await page.getByRole('heading', { name: '1 machine of host-linux is down' }).waitFor();
    await picture(page, 'light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await picture(page, 'dark');
    await page.setViewportSize({ width: 390, height: 844 });
    await picture(page, 'phone-dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await picture(page, 'phone');
    leave.abort();
    await Promise.allSettled([running, building, waiting]);
    await page.getByText('sleep 1000').first().waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
  });

  it('filters (also by running commands), sorts and groups, by its address', async () => {
    const coordinator = await startCoordinator({ users, machines: 3 });
    const mine = await create(coordinator, 'me');
    await create(coordinator, 'other');
    await create(coordinator, 'me');
    const { page, complaints } = await browse();
    await signIn(page, coordinator, 'boss');
    const leave = new AbortController();
    const call = { systemLevel: true, signal: leave.signal };
    const running = mine.exec('sleep', { ...call, args: ['1234'] });
    running.catch(() => undefined);
    await page.getByText('sleep 1234').waitFor();
    for (const [filter, names] of [
      ['OTHER linux', ['user-other-linux-0']],
      ['1234', ['user-me-linux-0']],
      ['host-linux other', ['user-other-linux-0']],
      ['nobody', []],
    ] as const) {
      await page.getByLabel('Filter').fill(filter);
      await expect.poll(() => namesIn(page)).toEqual(names);
    }
    await page.getByLabel('Filter').fill('linux');
    await page.getByLabel('Group').selectOption('by owner');
    await page.getByRole('button', { name: 'Age' }).click();
    await page.getByRole('button', { name: 'Age ↑' }).click();
    const all = ['me 2 buildlets, 1 command', 'user-me-linux-0', 'user-me-linux-1'];
    const groups = [...all, 'other 1 buildlet', 'user-other-linux-0'];
    expect(await namesIn(page)).toEqual(groups);
    expect(new URL(page.url()).search).toBe('?q=linux&sort=-age&group=owner');
    await page.reload();
    await page.getByText('live', { exact: true }).waitFor();
    expect(await namesIn(page)).toEqual(groups);
    await page.getByRole('button', { name: 'me 2 buildlets' }).click();
    expect(await namesIn(page)).toEqual([groups[0], ...groups.slice(3)]);
    leave.abort();
    await running.catch(() => undefined);
    expect(complaints).toEqual([]);
  });

  it('shows markup in names as text', async () => {
    const coordinator = await startCoordinator({ users, machines: 1 });
    const buildlet = await create(coordinator, 'me');
    const { page, complaints } = await browse();
    await signIn(page, coordinator, 'boss');
    const odd = '<img src=x onerror=alert(1)>\u202eevil\u0007\u001b[31m\ud800';
    const leave = new AbortController();
    const args = ['-c', 'sleep 1000', odd, 'x'.repeat(100_000)];
    const running = buildlet.exec('sh', { systemLevel: true, signal: leave.signal, args });
    running.catch(() => undefined);
    const cell = page.locator('.command');
    await cell.waitFor();
    const shown = await cell.innerText();
    expect(shown).toMatch(/sleep 1000 <img src=x onerror=alert\(1\)>\\u\{202e\}evil\\u\{7\}/);
    expect(shown.length).toBeLessThan(3_000);
    expect(await page.locator('img').count()).toBe(0);
    leave.abort();
    await running.catch(() => undefined);
    expect(complaints).toEqual([]);
  });

  it('continues when the coordinator starts again', async () => {
    const coordinator = await startCoordinator({ users, machines: 1 });
    const { page } = await browse();
    await signIn(page, coordinator, 'me');
    await coordinator.restart();
    await page.getByText('connection lost').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
  });

  it('is closed to a user who has been removed', async () => {
    const coordinator = await startCoordinator({ users, machines: 1 });
    const { page } = await browse();
    await signIn(page, coordinator, 'me');
    await coordinator.users.remove('me');
    await page.reload();
    await page.getByLabel('Token').waitFor();
  });

  it('drains and undrains a machine for an admin', async () => {
    const coordinator = await startCoordinator({ users, machines: 1 });
    await create(coordinator, 'me');
    const { page, complaints } = await browse();
    await signIn(page, coordinator, 'boss');
    const machine = () => coordinator.coordinator.machines.list()[0];
    await page.getByText('1 in use', { exact: true }).click();
    await page.getByRole('button', { name: /^Drain / }).click();
    await page.getByLabel('Why, for other admins').fill('its fan is loud');
    await picture(page, 'drain');
    expect(await faultsOf(page)).toEqual([]);
    await page.keyboard.press('Enter');
    await page.getByText('— its fan is loud').waitFor();
    expect(machine()).toMatchObject({ state: 'in use', drained: { note: 'its fan is loud' } });
    await page.getByText('1 machine is drained').waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await page.getByRole('button', { name: /^Put back / }).click();
    await page.getByText('its fan is loud').first().waitFor({ state: 'detached' });
    expect(machine()?.drained).toBeUndefined();
    await page.getByRole('button', { name: /^Drain / }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(machine()?.drained).toBeUndefined();
    expect(complaints).toEqual([]);
    const other = await browse();
    await signIn(other.page, coordinator, 'me');
    await other.page.getByText('1 in use', { exact: true }).click();
    expect(await other.page.getByRole('button', { name: /Drain/ }).count()).toBe(0);
  });

  it.each([1024, 1440])('shows complete names on a screen of %i pixels', async (width) => {
    const name = 'a.person-with-a-rather-long-name';
    const coordinator = await startCoordinator({
      users: { [name]: {}, boss: { role: 'admin' } },
      ...{ machines: 1, builderType: 'linux-amd64-longtest' },
    });
    const buildlet = await coordinator.client(name).createBuildlet('linux-amd64-longtest');
    onTestFinished(() => buildlet.disconnect());
    const { page } = await browse({ viewport: { width, height: 800 } });
    await signIn(page, coordinator, 'boss');
    const shown = page.locator('.rows .name').first();
    await shown.waitFor();
    await picture(page, `names-${width}`);
    expect(await shown.innerText()).toBe(`user-${name}-linux-amd64-longtest-0`);
    const cut = `[...document.querySelectorAll('.rows .row :is(.name, :has(> .name))')]
      .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).length`;
    expect(await page.evaluate(cut)).toBe(0);
    expect(await askPage(page, 'overflow')).toBe(0);
  });

  it('is accessible in light and dark mode, on a desktop and on a phone', async () => {
    const coordinator = await startCoordinator({ users, machines: 1 });
    await create(coordinator, 'me');
    const { page } = await browse();
    const looks = (['light', 'dark'] as const).flatMap((colorScheme) =>
      [1280, 360].map((width) => ({ colorScheme, width })),
    );
    const check = async (name: string) => {
      for (const { colorScheme, width } of looks) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        await picture(page, `${name}-${colorScheme}-${width}`);
        expect(await askPage(page, 'faintTexts')).toEqual([]);
        expect(await faultsOf(page)).toEqual([]);
        // Nothing has to be scrolled sideways.
        expect(await askPage(page, 'overflow')).toBe(0);
      }
    };
    await visit(page, coordinator.url);
    await check('login');
    await signIn(page, coordinator, 'me');
    await check('own');
    // Tables are tables on a phone too, and the keyboard gets everywhere.
    expect(await page.getByRole('rowheader').count()).toBe(1);
    const stops: unknown[] = [];
    for (let press = 0; press < 9; press++) {
      await page.keyboard.press('Tab');
      stops.push(await askPage(page, 'focus'));
    }
    expect(stops).toEqual(
      [
        ...[
          'Skip to the buildlets',
          'gomote',
          'Sign out',
          '1 in use',
          'There now',
          'Ended',
          'filter',
        ],
        ...['notby ownerby pool', 'NameState'],
      ].map((text) => expect.stringMatching(new RegExp(`^${text}.* solid$`, 's'))),
    );
  });
});
