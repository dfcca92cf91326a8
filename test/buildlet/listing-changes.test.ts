import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { all } from '../helpers/collect.ts';

/** Makes and removes a directory with a file in it again and again. */
const churn = `
  const { mkdirSync, rmSync, writeFileSync } = require('node:fs');
  const { workerData } = require('node:worker_threads');
  for (;;) {
    mkdirSync(workerData + '/d', { recursive: true });
    writeFileSync(workerData + '/d/f', 'x');
    rmSync(workerData, { recursive: true });
  }
`;

it('a listing continues when files are removed meanwhile', async () => {
  const buildlet = await startBuildlet();
  const client = clientOf(buildlet);
  const top = join(buildlet.workDir, 'top');
  mkdirSync(top);
  writeFileSync(join(top, 'stays'), 'content');
  const worker = new Worker(churn, { eval: true, workerData: join(top, 'goes') });
  onTestFinished(async () => {
    await worker.terminate();
    rmSync(top, { recursive: true, force: true });
  });
  for (let round = 0; round < 300; round++) {
    const listed = await all(client.listDir('top', { recursive: true, digest: true }));
    expect(listed.map(({ name }) => name)).toContain('stays');
  }
});
