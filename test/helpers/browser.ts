// Chromium, as people have it, driven by playwright-core.
import { existsSync, readFileSync } from 'node:fs';
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Whether there is a browser to test with; if not, it is said loudly. */
export const hasBrowser = existsSync(executablePath);

if (!hasBrowser) {
  process.stderr.write(
    `\n*** NO BROWSER: ${executablePath} is absent, so no page is tested. ***\n` +
      '*** apt-get install chromium, or name one in $CHROMIUM. ***\n\n',
  );
}

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

const inPage = readFileSync(new URL('in-page.js', import.meta.url), 'utf8');

/** Calls a function of in-page.js in the page. */
export async function askPage(page: Page, name: 'faintTexts' | 'overflow' | 'focus') {
  return await page.evaluate(`${inPage}; inPage.${name}()`);
}

/** A page of a fresh browser, which ends with the test. */
export async function browse(options: BrowserContextOptions = {}): Promise<Browsing> {
  const browser = await chromium.launch({ executablePath, args });
  onTestFinished(() => browser.close());
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() !== 'log') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, complaints };
}
