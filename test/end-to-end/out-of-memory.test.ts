// A command that the kernel ends for want of memory, in a control group of its buildlet's own where one can be made.
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../helpers/processes.ts';
import { buildletProgram, ending, workshop } from '../helpers/programs.ts';
import { missing } from '../helpers/tools.ts';

const limitBytes = 300 << 20;

/** A control group whose processes may use no more than that; undefined where none can be made. */
function makeGroup(): string | undefined {
  const name = `gomote-test-${process.pid}`;
  for (const [parent, limit] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ] as const) {
    const group = join(parent, name);
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    try {
      // The file is there only where the controller is.
      readFileSync(join(group, limit));
      writeFileSync(join(group, limit), String(limitBytes));
      return group;
    } catch {
      rmdirSync(group);
    }
  }
  return undefined;
}

const group = makeGroup();
if (group === undefined) missing('this user may not make a control group that limits memory');

it.runIf(group !== undefined)(
  'a run that runs out of memory is reported with that reason, and the buildlet continues',
  async () => {
    const { directory, start, gomote } = workshop();
    const socket = `unix:${join(directory, 'socket')}`;
    const script = `echo $$ > ${group}/cgroup.procs; exec node ${buildletProgram} --listen ${socket}`;
    const buildlet = start('sh', ['-c', script], { stdio: 'ignore' });
    const over = ending(buildlet);
    onTestFinished(async () => {
      buildlet.kill();
      await over;
      await until(() => removed(group));
    });
    const name = `local@${socket}`;
    await until(async () => (await gomote('ping', name)).code === 0);
    const ran = await gomote('run', name, 'tail', '/dev/zero');
    expect(ran).toMatchObject({ code: 128 + 9 });
    expect(ran.stderr).toContain('SIGKILL (memory): there was no memory left');
    expect((await gomote('ps', name)).stdout.toString()).toContain('SIGKILL (memory)');
    expect(await gomote('run', name, 'true')).toMatchObject({ code: 0 });
  },
);

/** A group whose last process has just ended may not go at once. */
function removed(path: string | undefined): boolean {
  try {
    if (path !== undefined) rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}
