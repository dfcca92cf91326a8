// gomote once on the machines of a coordinator.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startCoordinator, tokenOf } from '../../helpers/coordinator.ts';
import { startCutter } from '../../helpers/cutter.ts';
import { until } from '../../helpers/processes.ts';
import { ending, workshop } from '../../helpers/programs.ts';

async function team(extra = '') {
  const coordinator = await startCoordinator();
  const cutter = await startCutter(new URL(coordinator.url).host);
  const shop = workshop();
  const config = join(shop.directory, '.config', 'gomote');
  mkdirSync(config, { recursive: true });
  writeFileSync(
    join(config, 'config.toml'),
    `default = "team"\n[backends.team]\nurl = "https://${cutter.address}"\nfingerprint = "${coordinator.fingerprint}"\n`,
  );
  writeFileSync(join(config, 'user-me.token'), tokenOf('me'), { mode: 0o600 });
  const top = join(shop.directory, 'project');
  mkdirSync(top);
  writeFileSync(join(top, 'a.txt'), 'alpha\n');
  if (extra !== '') writeFileSync(join(top, '.gomote.toml'), extra);
  const start = (...args: string[]) => shop.start('gomote', args, { cwd: top });
  const sessions = async () => (await coordinator.client('me').remoteBuildlets()).length;
  return { cutter, start, sessions };
}

it('once borrows a machine of the team, and gives it back', async () => {
  const { start, sessions } = await team();
  const child = start('once', 'linux', '--', 'sh', '-c', 'cat a.txt; exit 3');
  const { code, stdout } = await ending(child);
  expect([code, stdout.toString()]).toEqual([3, 'alpha\n']);
  expect(await sessions()).toBe(0);
});

it('once without a type lists the types', async () => {
  const { start } = await team();
  const { code, stderr } = await ending(start('once', '--', 'true'));
  expect([code, stderr]).toEqual([125, expect.stringContaining('types are: linux')]);
});

it('once continues over a connection that is cut, and its machine stays', async () => {
  const { cutter, start, sessions } = await team();
  const go = start(
    'once',
    'linux',
    '--',
    'sh',
    '-c',
    'echo runs; while [ ! -e go ]; do sleep 0.05; done; exit 4',
  );
  let out = '';
  go.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  const over = ending(go);
  await until(() => out.includes('runs'));
  const before = cutter.connections;
  cutter.drop();
  // Both come back: who follows the run, and who holds the machine.
  await until(() => cutter.connections >= before + 2);
  expect(await sessions()).toBe(1);
  go.kill('SIGINT');
  expect((await over).code).toBe(130);
  expect(await sessions()).toBe(0);
});

it('a job of a project runs on a backend of the configuration that is elsewhere', async () => {
  const { start, sessions } = await team('type = "linux"\n[jobs.show]\nrun = "cat a.txt"\n');
  const { code, stdout } = await ending(start('job', 'show'));
  expect([code, stdout.toString()]).toEqual([0, 'alpha\n']);
  expect(await sessions()).toBe(0);
});

it('a job of a project that names this machine does not run here, even if that is not the default', async () => {
  const { start } = await team(
    '[jobs.show]\nbackend = "local"\ntype = "local"\nrun = "cat a.txt"\n',
  );
  const { code, stdout, stderr } = await ending(start('job', 'show'));
  expect([code, stdout.toString()]).toEqual([125, '']);
  expect(stderr).toContain('would run on this machine');
  const elsewhere = await team('type = "local"\n');
  expect(await ending(elsewhere.start('once', '--', 'true'))).toMatchObject({ code: 125 });
});
