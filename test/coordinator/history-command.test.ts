// `coordinator history`: buildlets and runs, also those that have ended.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/programs.ts';

it('the history of a coordinator lists what has ended, with runs, and changes nothing', async () => {
  const coordinator = await startCoordinator();
  const history = (...args: string[]) =>
    execFileSync(
      join(projectRoot, 'bin/coordinator.js'),
      ['history', ...args, '--config', join(coordinator.directory, 'coordinator.toml')],
      { encoding: 'utf8' },
    );
  const buildlet = await coordinator.client('me').createBuildlet('linux');
  await buildlet.exec('/bin/sh', { args: ['-c', 'exit 3'], systemLevel: true });
  const detached = await buildlet.sessions.start({
    ...{ cmd: '/bin/sh', args: ['-c', 'kill -KILL $$'], systemLevel: true, detach: true },
  });
  await detached?.read();
  const path = join(coordinator.directory, 'state', 'history.jsonl');
  const kept = () => readFileSync(path, 'utf8');
  // The run may still have been going on when its start was recorded: then its end is recorded later.
  await until(() => existsSync(path) && kept().includes('SIGKILL'));
  await buildlet.close();
  await until(() => kept().includes('"destroy"'));
  const before = kept();
  const moment = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
  const took = expect.any(Number);
  expect(JSON.parse(history('--json'))).toEqual([
    {
      ...{ name: 'user-me-linux-0', owner: 'me', hostType: 'host-linux', created: moment },
      ...{ ended: moment, why: 'destroyed by me' },
      runs: [
        {
          ...{ at: moment, command: '/bin/sh -c exit 3', outcome: 'exit status 3' },
          ...{ by: 'me', durationMs: took },
        },
        {
          ...{ at: moment, command: '/bin/sh -c kill -KILL $$', outcome: 'signal: SIGKILL' },
          ...{ by: 'me', durationMs: took },
        },
      ],
    },
  ]);
  const text = history('--since', '1h').split('\n');
  expect(text[0]).toMatch(/^user-me-linux-0\tme\thost-linux\t.*Z\t.*Z\tdestroyed by me$/);
  expect(text[1]).toMatch(/^\t.*Z\texit status 3\t[\dms.]+\t\/bin\/sh -c exit 3$/);
  expect(history('--since', '2099-01-01')).toBe('');
  expect(kept()).toBe(before);
});
