import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { buildletFeatures } from '../../src/protocol/features.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { startCutter } from '../helpers/cutter.ts';

/** Starts a process that holds the buildlet, and waits until it does. */
async function holder(address: string, graceMs: number) {
  const library = pathToFileURL(resolve('dist/index.js')).href;
  const script = `
    const { BuildletClient } = await import(${JSON.stringify(library)});
    await new BuildletClient(${JSON.stringify(address)}).hold({ graceMs: ${graceMs} });
    process.stdout.write('held');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

describe('a buildlet that is held', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)('ends when its client gets %s', async (signal) => {
    const buildlet = await startBuildlet();
    const child = await holder(buildlet.address, 10);
    child.kill(signal);
    expect(await buildlet.ending).toBe('its client has gone');
  });

  it('ends also while a command runs there', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    const run = await client.sessions.start({
      cmd: 'sleep',
      args: ['600'],
      systemLevel: true,
      detach: true,
    });
    expect(run).toBeDefined();
    const child = await holder(buildlet.address, 10);
    child.kill('SIGKILL');
    expect(await buildlet.ending).toBe('its client has gone');
  });

  it('ends when its client drops it', async () => {
    const buildlet = await startBuildlet();
    const hold = await clientOf(buildlet).hold({ graceMs: 0 });
    hold?.drop();
    expect(await buildlet.ending).toBe('its client has gone');
  });

  it('that nobody holds in time ends', async () => {
    const buildlet = await startBuildlet({ holdMs: 1 });
    expect(await buildlet.ending).toBe('its client has gone');
  });

  it('lives on when it is released, also after its client has ended', async () => {
    const buildlet = await startBuildlet({ holdMs: 60_000 });
    const client = clientOf(buildlet);
    const hold = await client.hold({ graceMs: 0 });
    await hold?.release();
    await client.disconnect();
    // Answered later than the end of a grace of 0 would have come.
    await expect(clientOf(buildlet).exec('true', { systemLevel: true })).resolves.toMatchObject({
      ok: true,
    });
    expect(await Promise.race([buildlet.ending, 'alive'])).toBe('alive');
  });

  it('is held again when the connection breaks off', async () => {
    const buildlet = await startBuildlet();
    const between = await startCutter(buildlet.address);
    const client = new BuildletClient(between.address);
    onTestFinished(() => client.disconnect());
    const hold = await client.hold({ graceMs: 60_000 });
    between.drop();
    await expect.poll(() => between.connections, { timeout: 10_000 }).toBeGreaterThan(1);
    await hold?.release();
    expect(await Promise.race([buildlet.ending, 'alive'])).toBe('alive');
  });

  it.each(['', 'x', '-1', '1.5', '99999999999'])('refuses the grace "%s"', async (graceMs) => {
    const client = clientOf(await startBuildlet());
    const { statusCode, body } = await client.proxyRequest({
      method: 'POST',
      path: `/hold?graceMs=${graceMs}`,
    });
    expect([statusCode, await body.text()]).toEqual([400, "bogus 'graceMs' parameter\n"]);
  });

  it('cannot be held if it lacks the extension', async () => {
    const features = buildletFeatures.filter((one) => one !== 'hold');
    const client = clientOf(await startBuildlet({ features }));
    expect(await client.hold({ graceMs: 0 })).toBeUndefined();
  });
});
