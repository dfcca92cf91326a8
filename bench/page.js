// The page with many rows in Chromium: how much script runs until the first of them are painted, by the browser's own tracing.
//
// node bench/page.js [rows]
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { cleanUp, cleanUps, startCoordinator } from './coordinator-lab.js';

const count = Number(process.argv[2] ?? 1_000);
const rounds = 7;
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** One server that all addresses of this machine reach: each is a machine that runs a command. */
async function startMachines() {
  const run = { id: 'r1', command: ['go', 'test', './...'], running: true };
  const runs = JSON.stringify([{ ...run, started: new Date().toISOString() }]);
  const server = createServer((request, response) =>
    response.end(request.url.startsWith('/sessions') ? runs : '{"Version":11}'),
  );
  await new Promise((resolve) => server.listen(0, '0.0.0.0', resolve));
  cleanUps.push(() => server.close().closeAllConnections());
  const { port } = server.address();
  return Array.from({ length: count }, (_, i) => `127.1.${i >> 8}.${i & 255}:${port}`);
}

/** Sessions as an earlier coordinator left them, and an admin who may see them. */
function prepare(directory, machines) {
  mkdirSync(join(directory, 'state/sessions'), { recursive: true, mode: 0o700 });
  const nowMs = Date.now();
  for (const [i, machine] of machines.entries()) {
    const owner = `user${i % 40}`;
    const name = `user-${owner}-bench-${Math.floor(i / 40)}`;
    const session = {
      ...{ name, owner, builderType: 'bench', hostType: 'host-bench', pool: 'bench', machine },
      ...{
        state: 'running',
        isClaimed: true,
        createdMs: nowMs - i * 1_000,
        expiresMs: nowMs + 1_800_000,
      },
    };
    writeFileSync(join(directory, 'state/sessions', `${name}.json`), JSON.stringify(session));
  }
  const tokenHash = createHash('sha256').update('boss').digest('hex');
  const users = { boss: { role: 'admin', tokenHash, created: '' } };
  writeFileSync(join(directory, 'state/users.json'), JSON.stringify({ users }), { mode: 0o600 });
}

/** Events that are script: reading it, compiling it and running it, in ms. */
const isScript = ({ name, ph }) =>
  ph === 'X' &&
  [
    'EvaluateScript',
    'FunctionCall',
    'v8.compile',
    'v8.compileModule',
    'v8.evaluateModule',
    'RunMicrotasks',
    'V8.GC_MC_BACKGROUND_MARKING',
    'MinorGC',
    'MajorGC',
  ].includes(name);

/** The union of the events, for they lie in one another; in processor time of their thread, which other work does not lengthen. */
function totalMs(events) {
  let sum = 0;
  let end = 0;
  for (const { tts, tdur = 0 } of events.sort((a, b) => a.tts - b.tts)) {
    sum += Math.max(0, tts + tdur - Math.max(tts, end));
    end = Math.max(end, tts + tdur);
  }
  return sum / 1_000;
}

async function measure(browser, context, url) {
  const page = await context.newPage();
  await browser.startTracing(page, {
    categories: ['devtools.timeline', 'v8', 'blink.user_timing', 'disabled-by-default-v8.compile'],
  });
  await page.goto(url);
  await page.locator('.rows .row').nth(5).waitFor();
  // The frame after the rows are there has painted them.
  await page.evaluate(
    'new Promise((done) => requestAnimationFrame(() => setTimeout(() => { performance.mark("painted"); done(); })))',
  );
  const rows = Number(await page.getByRole('table').first().getAttribute('aria-rowcount')) - 1;
  const inPage = await page.locator('.rows .row').count();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  await page.close();
  const mark = traceEvents.find(
    ({ name, cat }) => name === 'painted' && cat.includes('user_timing'),
  );
  const events = traceEvents.filter(
    (event) =>
      event.pid === mark.pid && event.tid === mark.tid && event.ts < mark.ts && isScript(event),
  );
  return { rows, inPage, ms: totalMs(events) };
}

try {
  const machines = await startMachines();
  const { url } = await startCoordinator({
    pool: ['kind = "static"', `machines = [${machines.map((one) => `{ address = "${one}" }`)}]`],
    prepare: (directory) => prepare(directory, machines),
  });
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu'],
  });
  cleanUps.push(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel('User').fill('boss');
  await page.getByLabel('Token').fill('boss');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('live', { exact: true }).waitFor();
  await page.close();
  const results = [];
  for (let round = 0; round < rounds; round++) results.push(await measure(browser, context, url));
  const sorted = results.map(({ ms }) => ms).sort((a, b) => a - b);
  const result = {
    ...{ rows: results[0].rows, rowsInPage: results[0].inPage },
    scriptMs: {
      median: Math.round(sorted[rounds >> 1]),
      least: Math.round(sorted[0]),
      most: Math.round(sorted.at(-1)),
    },
  };
  console.log(
    `${result.rows} rows, of which ${result.rowsInPage} in the page: ${result.scriptMs.median} ms of script until they are painted (${result.scriptMs.least} to ${result.scriptMs.most})`,
  );
  console.log(JSON.stringify(result));
} finally {
  await cleanUp();
}
