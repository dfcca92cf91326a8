import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resetBuildlet } from '../../src/client/reset.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { processesWith, until } from '../helpers/processes.ts';

/** What a user may leave: files, a daemon in a session of its own, a running session with output. */
async function used(features?: readonly string[]) {
  const buildlet = await startBuildlet(features === undefined ? {} : { features });
  const client = clientOf(buildlet);
  const mark = randomBytes(8).toString('hex');
  mkdirSync(join(buildlet.workDir, 'locked/dir'), { recursive: true, mode: 0o700 });
  writeFileSync(join(buildlet.workDir, 'locked/dir/secret'), 'x', { mode: 0o400 });
  const daemon = `setsid sh -c 'trap "" TERM; while :; do sleep 1; done' ${mark} <&- >&- 2>&- &`;
  await client.exec('sh', { systemLevel: true, args: ['-c', daemon] });
  await until(() => processesWith(mark).length > 0);
  return { buildlet, client, mark };
}

describe('a reset', () => {
  it('leaves no process, no file and no session', async () => {
    const { buildlet, client, mark } = await used();
    const session = await client.sessions.start({
      id: 'mine',
      cmd: 'sh',
      args: ['-c', 'echo secret; while :; do sleep 1; done', mark],
      systemLevel: true,
      detach: true,
    });
    expect(session?.id).toBe('mine');
    await until(async () => ((await client.sessions.list())[0]?.logBytes ?? 0) > 0);
    await resetBuildlet(client);
    expect(processesWith(mark)).toEqual([]);
    expect(readdirSync(buildlet.workDir)).toEqual([]);
    expect(await client.sessions.list()).toEqual([]);
    await client.exec('true', { systemLevel: true });
  });

  it('of a buildlet without the extension empties the work directory', async () => {
    const { buildlet, client, mark } = await used([]);
    await resetBuildlet(client);
    expect(readdirSync(buildlet.workDir)).toEqual([]);
    for (const pid of processesWith(mark)) process.kill(pid, 'SIGKILL');
  });
});
