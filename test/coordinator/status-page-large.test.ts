// The status page with a thousand buildlets.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { browse, hasBrowser, picture, signIn } from '../helpers/browser.ts';
import { startCoordinator } from '../helpers/coordinator.ts';

const count = 1_000;
const patienceMs = 120_000;

/** One server that all the addresses of this machine reach; it is well. */
async function startMachines(): Promise<string[]> {
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/sessions')) return void response.writeHead(404).end();
    response.end('{"Version":11}');
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return Array.from({ length: count }, (_, i) => `127.1.${i >> 8}.${i & 255}:${port}`);
}

/** Sessions as an earlier coordinator left them. */
function leaveSessions(directory: string, machines: readonly string[]): void {
  const nowMs = Date.now();
  mkdirSync(join(directory, 'state/sessions'), { recursive: true, mode: 0o700 });
  machines.forEach((machine, i) => {
    const owner = `user${i % 40}`;
    const name = `user-${owner}-linux-${Math.floor(i / 40)}`;
    const session = {
      ...{ name, owner, builderType: 'linux', hostType: 'host-linux', machine },
      ...{ state: 'running', isClaimed: true },
      createdMs: nowMs - i * 60_000,
      expiresMs: nowMs + 1_800_000,
    };
    writeFileSync(join(directory, 'state/sessions', `${name}.json`), JSON.stringify(session));
  });
}

describe.runIf(hasBrowser)('the status page with a thousand buildlets', () => {
  it('shows all of them in order, finds one, and follows changes', {
    timeout: 3 * patienceMs,
  }, async () => {
    const addresses = await startMachines();
    const coordinator = await startCoordinator({
      users: { boss: { role: 'admin' }, user7: {} },
      addresses,
      prepare: (directory) => leaveSessions(directory, addresses),
    });
    const { page, complaints } = await browse({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(patienceMs);
    await signIn(page, coordinator, 'boss');
    const table = page.getByRole('table', { name: 'Buildlets' });
    const hasRows = async (rows: number) =>
      await expect.poll(() => table.getAttribute('aria-rowcount')).toBe(String(rows + 1));
    await hasRows(count);
    // Of all these, only those within sight are in the page.
    expect(await table.locator('.rows .row').count()).toBeLessThan(60);
    const first = table.getByRole('row').nth(1);
    expect(await first.locator('.name').textContent()).toBe('user-user0-linux-0');
    // By keyboard to the end of the list.
    await page.locator('#live').focus();
    await page.keyboard.press('End');
    await page.getByText('user-user39-linux-24').waitFor();
    await page.keyboard.press('Home');
    await page.getByText('user-user0-linux-0').waitFor();
    await picture(page, 'thousand');
    await page.getByLabel('Filter').fill('user7 linux');
    await page.getByText('user-user7-linux-3').waitFor();
    await hasRows(count / 40);
    // One of those that are shown ends; the others stay where they were.
    await coordinator.client('user7').namedBuildlet('user-user7-linux-3').halt();
    await page.getByText('user-user7-linux-3').waitFor({ state: 'detached' });
    await hasRows(count / 40 - 1);
    await page.getByLabel('Filter').fill('');
    await hasRows(count - 1);
    expect(await page.locator('#count').textContent()).toBe(String(count - 1));
    expect(complaints).toEqual([]);
  });
});
