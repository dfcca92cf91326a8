// Chromium, as people have it, driven by playwright-core.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, onTestFinished } from 'vitest';
import { type TestCoordinator, tokenOf } from './coordinator.ts';
import { missing } from './tools.ts';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Whether there is a browser to test with. */
export const hasBrowser =
  existsSync(executablePath) ||
  missing(`no browser at ${executablePath} (install chromium, or name one in $CHROMIUM)`);

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Browsing {
  readonly page: Page;
  /** What the page said on its console, and what it was not allowed to load. */
  readonly complaints: string[];
}

/** Goes to the address, again when the browser was disturbed by a change of the machine's networks. */
export async function visit(page: Page, url: string): Promise<void> {
  try {
    await page.goto(url);
  } catch (error) {
    if (!String(error).includes('ERR_NETWORK_CHANGED')) throw error;
    await visit(page, url);
  }
}

const inPage = readFileSync(new URL('in-page.js', import.meta.url), 'utf8');

/** Calls a function of in-page.js in the page. */
export async function askPage(page: Page, name: 'faintTexts' | 'overflow' | 'focus') {
  return await page.evaluate(`${inPage}; inPage.${name}()`);
}

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds wrong for people who see, hear or reach less: each rule, with the elements. */
export async function faultsOf(page: Page): Promise<string[]> {
  const ask =
    'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))';
  const found: [string, string[]][] = await page.evaluate(`${axe}; ${ask}`);
  return found.map(([id, nodes]) => `${id}: ${nodes.join(' ')}`);
}

let browser: Promise<Browser> | undefined;
afterAll(async () => await (await browser)?.close());

/** A page in a context of its own, which ends with the test. */
export async function browse(options: BrowserContextOptions = {}): Promise<Browsing> {
  browser ??= chromium.launch({ executablePath, args });
  const context = await (await browser).newContext({ ignoreHTTPSErrors: true, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() !== 'log') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, complaints };
}

/** Signs in on the status page, and waits until it is live. */
export async function signIn(page: Page, { url }: TestCoordinator, user: string): Promise<void> {
  await visit(page, url);
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Token').fill(tokenOf(user));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('live', { exact: true }).waitFor();
}

/** A picture for whoever wants to look, in the directory of $GOMOTE_PICTURES. */
export async function picture(page: Page, name: string): Promise<void> {
  const directory = process.env.GOMOTE_PICTURES;
  if (directory) await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
}
