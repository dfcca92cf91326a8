// The status page in a real browser, in front of a real coordinator with real buildlets.
import type { Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { askPage, browse, hasBrowser, picture, signIn, visit } from '../helpers/browser.ts';
import { startCoordinator, type TestCoordinator } from '../helpers/coordinator.ts';

const users = { me: {}, other: {}, boss: { role: 'admin' } } as const;

async function create(from: TestCoordinator, user: string): Promise<BuildletClient> {
  const buildlet = await from.client(user).createBuildlet('linux');
  onTestFinished(() => buildlet.disconnect());
  return buildlet;
}

/** The cells of each row of the table with that name, as a person reads them. */
async function rows(page: Page, table: string): Promise<string[][]> {
  const found = await page.getByRole('table', { name: table }).locator('tbody tr:visible').all();
  return await Promise.all(
    found.map(async (row) =>
      (await row.locator('th, td').allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' ')),
    ),
  );
}

describe.runIf(hasBrowser)('the status page', () => {
  it('lets those in who have a token, and shows them their own rows', async () => {
    const coordinator = await startCoordinator({ users, machines: 2 });
    await create(coordinator, 'me');
    await create(coordinator, 'other');
    const { page, complaints } = await browse();
    await visit(page, coordinator.url);
    await page.getByLabel('User').fill('me');
    await page.getByLabel('Token').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toMatch(/do not go together/);
    expect(complaints.splice(0)).toEqual([expect.stringContaining('401')]);
    await signIn(page, coordinator, 'me');
    expect(await rows(page, 'Buildlets')).toEqual([
      [
        'user-me-linux-0',
        expect.stringMatching(/well|unknown/),
        'me',
        'linux',
        expect.stringMatching(/^\d+ s$/),
        expect.stringMatching(/^in (29 min|30 min)/),
        '',
      ],
    ]);
    expect(await rows(page, 'Pools')).toEqual([['host-linux', 'static', '2 of 2', '0', '0']]);
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
    const mine = await create(coordinator, 'me');
    const others = await create(coordinator, 'other');
    await page.getByRole('row', { name: 'user-other-linux-0' }).waitFor();
    const leave = new AbortController();
    const call = { systemLevel: true, signal: leave.signal };
    const running = mine.exec('sh', { ...call, args: ['-c', 'sleep 1000', '<b>x'] });
    const building = others.exec('sh', { ...call, args: ['-c', 'make -j8 all; sleep 1000'] });
    await page.getByText('sleep 1000 <b>x').waitFor();
    await page.getByText('make -j8 all').waitFor();
    expect((await rows(page, 'Buildlets')).map(([name]) => name)).toEqual([
      'user-me-linux-0',
      'user-other-linux-0',
    ]);
    await create(coordinator, 'other');
    for (const one of [running, building]) one.catch(() => undefined);
    const waiting = coordinator.client('me').createBuildlet('linux', { signal: leave.signal });
    await page.getByRole('table', { name: 'Queue' }).waitFor();
    expect(await rows(page, 'Queue')).toEqual([['1', 'me', 'host-linux', expect.any(String)]]);
    await coordinator.buildlets[2]?.close();
    await page.getByRole('row', { name: /user-other-linux-1.*dead/ }).waitFor();
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

  it('filters', async () => {
    const coordinator = await startCoordinator({ users, machines: 2 });
    await create(coordinator, 'me');
    await create(coordinator, 'other');
    const { page } = await browse();
    await signIn(page, coordinator, 'boss');
    await page.getByLabel('Filter').fill('OTHER linux');
    expect((await rows(page, 'Buildlets')).map(([name]) => name)).toEqual(['user-other-linux-0']);
    await page.getByLabel('Filter').fill('nobody');
    expect(await rows(page, 'Buildlets')).toEqual([]);
  });

  it('goes on when the coordinator starts again', async () => {
    const coordinator = await startCoordinator({ users, machines: 1 });
    const { page } = await browse();
    await signIn(page, coordinator, 'me');
    await coordinator.restart();
    await page.getByText('connection lost').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
  });

  it('is closed to a user who was removed meanwhile', async () => {
    const coordinator = await startCoordinator({ users, machines: 1 });
    const { page } = await browse();
    await signIn(page, coordinator, 'me');
    await coordinator.users.remove('me');
    await page.reload();
    await page.getByLabel('Token').waitFor();
  });

  it('can be read and reached, in light and dark, on a desk and on a phone', async () => {
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
        // Nothing has to be scrolled sideways.
        expect(await askPage(page, 'overflow')).toBe(0);
      }
    };
    await visit(page, coordinator.url);
    await check('login');
    await signIn(page, coordinator, 'me');
    await check('own');
    // Tables are tables on a phone too, and the keyboard gets everywhere.
    expect(await page.getByRole('columnheader').count()).toBeGreaterThan(5);
    const stops: unknown[] = [];
    for (let press = 0; press < 3; press++) {
      await page.keyboard.press('Tab');
      stops.push(await askPage(page, 'focus'));
    }
    expect(stops).toEqual(['Skip to the buildlets solid', 'Sign out solid', 'filter solid']);
  });
});
