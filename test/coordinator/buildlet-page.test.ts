// The page of one buildlet in a real browser: runs and their output, what was done to it, and what can be.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { recordHeader } from '../../src/protocol/log-records.ts';
import {
  askPage,
  browse,
  faultsOf,
  hasBrowser,
  picture,
  signIn,
  visit,
} from '../helpers/browser.ts';
import { startCoordinator } from '../helpers/coordinator.ts';

const users = { me: {}, other: {}, boss: { role: 'admin' } } as const;

const script = [
  'printf "\\033[32mok\\033[0m one\\n\\033[1;31mFAIL\\033[0m two\\033[2K\\n"',
  // The two streams may overtake one another.
  'echo "a <b>warning</b>" >&2',
  'for i in $(seq 500); do echo "line $i"; done',
  'printf "10%%\\r20%%\\r100%%\\n"',
  'printf "caf\\303\\251 \\342\\200\\256evil\\007\\ncut \\303"',
  'exit 3',
].join('; ');

describe.runIf(hasBrowser)('the page of a buildlet', () => {
  it('shows runs with their output, and the possible actions', {
    timeout: 60_000,
  }, async () => {
    const coordinator = await startCoordinator({ users });
    const mine = await coordinator.client('me').createBuildlet('linux');
    onTestFinished(() => mine.disconnect());
    const call = { systemLevel: true, args: ['-c', script] };
    const failed = await mine.sessions.start({ cmd: 'sh', ...call });
    await failed?.read();
    const going = await mine.sessions.start({
      ...{ cmd: 'sh', systemLevel: true, detach: true },
      args: ['-c', 'echo begins; exec sleep 1000'],
    });
    const { page, complaints } = await browse({ viewport: { width: 1024, height: 800 } });
    // Who follows a link signs in first, and is led on, also to the line.
    const path = `/page/buildlet?name=user-me-linux-0&run=${failed?.id}#L300`;
    await visit(page, `${coordinator.url}${path}`);
    await page.getByLabel('User').fill('me');
    await page.getByLabel('Token').fill('token-me');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'user-me-linux-0' }).waitFor();
    await page.locator('.linked').getByRole('link', { name: 'Line 300' }).waitFor();
    expect(page.url()).toBe(`${coordinator.url}${path}`);
    await page.getByText(/^exit status 3 after/).waitFor();
    // Colours are classes, the two streams are told apart, and nothing of the output is obeyed.
    await page.keyboard.press('Tab');
    await page.locator('#log').focus();
    await page.keyboard.press('Home');
    await page.locator('.fg2', { hasText: 'ok' }).waitFor();
    expect(await page.locator('.a-b.fg1').innerText()).toBe('FAIL');
    await page.getByLabel('Search').fill('<b>warning');
    const error = page.locator('.line.err');
    expect(await error.innerText()).toMatch(/^[0-9]+\s*err\s*a <b>warning<\/b>$/);
    await page.getByLabel('Search').fill('CAFé');
    const odd = page.locator('.line', { hasText: 'café' });
    expect(await odd.locator('code').innerText()).toBe('café \\u{202e}evil\\u{7}');
    expect(await page.locator('#found').innerText()).toBe('1 of 1');
    await page.getByLabel('Search').fill('cut');
    await page.locator('.line', { hasText: 'cut \ufffd' }).waitFor();
    await page.getByLabel('Search').fill('100%');
    expect(await page.locator('.line', { hasText: '100%' }).locator('code').innerText()).toBe(
      '100%',
    );
    await page.getByLabel('Search').fill('');
    await page.getByRole('link', { name: 'Line 503' }).click();
    expect(new URL(page.url()).hash).toBe('#L503');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download' }).click(),
    ]);
    const saved = readFileSync(await download.path(), 'utf8');
    expect(saved).toContain('\u001b[32mok\u001b[0m one\n');
    expect(saved).toContain('line 500\n');
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await picture(page, `buildlet-${colorScheme}`);
      expect(await faultsOf(page)).toEqual([]);
    }
    await page.setViewportSize({ width: 400, height: 800 });
    await picture(page, 'buildlet-phone');
    expect(await askPage(page, 'overflow')).toBe(0);
    // A run that goes on is followed, and can be ended.
    await page.locator(`[data-run="${going?.id}"]`).click();
    await page.locator('.line', { hasText: 'begins' }).waitFor();
    // A page that nobody sees lets go of its connections, and goes on where it was.
    const logs = () => coordinator.log.filter(({ path }) => path === '/page/run/events').length;
    const before = logs();
    const see = async (isHidden: boolean) =>
      await page.evaluate(
        `Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`,
      );
    await see(true);
    await expect.poll(logs, { timeout: 20_000 }).toBe(before + 1);
    await see(false);
    await page.locator('#log-state').getByText('live').waitFor();
    expect(await page.locator('.line', { hasText: 'begins' }).count()).toBe(1);
    await page.getByRole('button', { name: 'End run' }).click();
    await page.getByRole('button', { name: 'End it' }).click();
    await page.getByText(/^ended by SIGTERM after/).waitFor();
    await page.getByRole('button', { name: 'Extend by 1 h' }).click();
    await page.getByText(/^in (59 min|1 h)/).waitFor();
    await page.getByText(/^has time until/).waitFor();
    await page.getByRole('button', { name: 'Destroy', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Destroy', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Destroy' }).click();
    await page.getByText('The output of runs went with the buildlet.').waitFor();
    expect(await page.locator('#why').innerText()).toBe('destroyed by me');
    const trail = readFileSync(`${coordinator.directory}/state/audit.jsonl`, 'utf8')
      .split('\n')
      .filter((line) => /"event":"(cancel|extend|destroy)"/.test(line))
      .map((line) => JSON.parse(line));
    expect(trail).toMatchObject([
      { event: 'cancel', name: 'user-me-linux-0', by: 'me', run: going?.id },
      { event: 'extend', name: 'user-me-linux-0', by: 'me', byMs: 3_600_000 },
      { event: 'destroy', name: 'user-me-linux-0', by: 'me', why: 'destroyed by me' },
    ]);
    expect(complaints).toEqual([]);
    // What became of it is known after a restart too, to its owner and to admins.
    await coordinator.restart();
    await page.setViewportSize({ width: 1024, height: 800 });
    await visit(page, `${coordinator.url}/?show=ended`);
    await page.getByRole('link', { name: 'user-me-linux-0' }).click();
    await page.locator('.run', { hasText: 'exit status 3' }).waitFor();
    await page.context().clearCookies();
    await signIn(page, coordinator, 'boss');
    await page.getByRole('button', { name: 'People' }).click();
    await page.getByRole('row', { name: /^me.*0 of 20/ }).waitFor();
    expect(await page.getByRole('row', { name: /^me/ }).innerText()).toMatch(/1\s+2\s/);
    await page.context().clearCookies();
    await signIn(page, coordinator, 'other');
    expect(await page.getByRole('button', { name: 'People' }).isVisible()).toBe(false);
    await visit(page, `${coordinator.url}/page/buildlet?name=user-me-linux-0`);
    await page.getByText('There is no such buildlet, or it is not yours.').waitFor();
    await page.getByText('nothing to show').waitFor();
  });

  it('removes a waiting create from the queue', async () => {
    const coordinator = await startCoordinator({ users, machines: 1 });
    const mine = await coordinator.client('me').createBuildlet('linux');
    onTestFinished(() => mine.disconnect());
    const waiting = coordinator.client('me').createBuildlet('linux');
    const refused = expect(waiting).rejects.toMatchObject({ code: 'ERR_STATUS' });
    const { page } = await browse();
    await signIn(page, coordinator, 'me');
    await page.getByRole('link', { name: 'user-me-linux-1' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Stop it' }).click();
    await refused;
  });

  it('shows the text of a hostile machine as text, and truncates it', async () => {
    const odd = '<img src=x onerror=alert(1)>\u202e';
    const bytes = Buffer.from(
      `${'x'.repeat(1 << 20)}${odd}\n${odd}\u001b]0;title\u0007\u001b[99999C\n`,
    );
    const log = Buffer.concat([Buffer.from(recordHeader('out', 0, bytes.length)), bytes]);
    const run = { id: 'r1', running: true, started: '2026-11-28T00:00:00Z', logBytes: 1e15 };
    const runs = [
      { ...run, command: [odd, 'y'.repeat(1 << 20)] },
      { ...run, id: '../..', command: ['no id'] },
      { ...run, id: 'r2', command: 'no words' },
      null,
    ];
    const server = createServer((request, response) => {
      if (request.url?.startsWith('/sessions')) return void response.end(JSON.stringify(runs));
      if (!request.url?.startsWith('/session?')) return void response.end('{"Version":11}');
      response.write(log);
      response.end('nonsense that is no record');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close().closeAllConnections());
    const { port } = server.address() as AddressInfo;
    const coordinator = await startCoordinator({ users, addresses: [`127.0.0.1:${port}`] });
    await coordinator.client('me').requestBuildlet('linux');
    const { page, complaints } = await browse();
    await signIn(page, coordinator, 'me');
    await visit(page, `${coordinator.url}/page/buildlet?name=user-me-linux-0`);
    await page.locator('.line').nth(1).waitFor();
    expect(await page.locator('.run').count()).toBe(1);
    expect((await page.locator('.run').innerText()).length).toBeLessThan(700);
    expect((await page.locator('.line').first().innerText()).length).toBeLessThan(5_000);
    expect(await page.locator('.line').first().innerText()).toMatch(/more characters in the file$/);
    expect(await page.locator('.line').nth(1).locator('code').innerText()).toBe(
      '<img src=x onerror=alert(1)>\\u{202e}',
    );
    expect(await page.locator('img').count()).toBe(0);
    await page.getByText('connection lost, trying again').waitFor();
    expect(complaints).toEqual([]);
  });
});
