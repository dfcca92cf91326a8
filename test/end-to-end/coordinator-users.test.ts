// `coordinator user` as a program, many at once beside a coordinator that serves.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ask, startCoordinator } from '../helpers/coordinator.ts';
import { type Ended, ending, projectRoot, workshop } from '../helpers/programs.ts';

it('twenty users added at once are all saved, and the running coordinator knows them', {
  timeout: 120_000,
}, async () => {
  const coordinator = await startCoordinator({ users: {} });
  const { start } = workshop();
  const command = (...words: string[]): Promise<Ended> => {
    const program = join(projectRoot, 'bin/coordinator.js');
    const config = join(coordinator.directory, 'coordinator.toml');
    return ending(start(process.execPath, [program, 'user', ...words, '--config', config]));
  };
  const names = Array.from({ length: 20 }, (_, i) => `user${i}`);
  const added = await Promise.all(names.map((name) => command('add', name)));
  expect(added.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
    names.map(() => ({ code: 0, stderr: '' })),
  );
  const tokens = added.map(({ stdout }) => stdout.toString().trim());
  for (const [i, token] of tokens.entries()) {
    const pair = Buffer.from(`user-${names[i]}:${token}`).toString('base64');
    const headers = { Authorization: `Basic ${pair}` };
    expect(await ask(coordinator, '/buildlet/list', { headers })).toEqual({
      status: 200,
      text: '[]\n',
    });
  }
  const listed = (await command('list')).stdout.toString().trim().split('\n');
  expect(listed.map((line) => line.split('\t')[0]).sort()).toEqual([...names].sort());
});
