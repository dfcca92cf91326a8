// A command that stops when a line of its output matches.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { buildletFeatures } from '../../src/protocol/features.ts';
import type { Standstill } from '../../src/protocol/session.ts';
import { hasBubblewrap } from '../helpers/bubblewrap.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { openTestGomote } from '../helpers/gomote.ts';
import { type Ended, ending, workshop } from '../helpers/programs.ts';

type Shop = ReturnType<typeof workshop>;

/** What `ps` says of the runs. */
async function states({ gomote }: Shop, name: string): Promise<string[]> {
  const { stdout } = await gomote('ps', '--json', name);
  return JSON.parse(stdout.toString()).map(({ state }: { state: string }) => state);
}

/** Writes a tick every 50 ms from the line that matches on. */
const ticking = 'echo before; echo FAIL; for i in 1 2 3; do sleep 0.05; echo tick $i; done';

/** Starts a run that stops, and gives the id of it. */
async function stopped(shop: Shop, options: string[], name: string, script = ticking) {
  const program = shop.start('gomote', [
    'run',
    ...options,
    '--break',
    '^FAIL',
    name,
    'sh',
    '-c',
    script,
  ]);
  const ended = ending(program);
  let said = '';
  const id = await new Promise<string>((resolve, reject) => {
    program.stderr?.setEncoding('utf8').on('data', (text) => {
      said += text;
      const found = /gomote kill -s CONT \S+ (\S+)\n/.exec(said);
      if (found?.[1] !== undefined) resolve(found[1]);
    });
    program.once('exit', () => reject(new Error(`it has ended, and said: ${said}`)));
  });
  return { program, ended, id, said: () => said };
}

describe('gomote run --break', () => {
  it('stops the command and its time limits when a line matches, until it gets CONT', async () => {
    const shop = workshop();
    const name = await shop.create();
    const limits = ['--timeout', '2s', '--idle-timeout', '1s'];
    const { ended, id, said } = await stopped(shop, limits, name);
    expect(said()).toBe(
      [
        'gomote: the command is stopped: a line matched --break',
        `# look at it: gomote shell ${name}, or gomote forward ${name} PORT`,
        `# to continue: gomote kill -s CONT ${name} ${id}`,
        '',
      ].join('\n'),
    );
    expect(await states(shop, name)).toEqual(['stopped']);
    // Longer than both limits.
    await sleep(2_500);
    expect(await states(shop, name)).toEqual(['stopped']);
    await shop.gomote('kill', '-s', 'CONT', name, id);
    const result = await ended;
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout.toString()).toBe('before\nFAIL\ntick 1\ntick 2\ntick 3\n');
    expect(said()).toContain('gomote: the command continues\n');
    expect(await states(shop, name)).toEqual(['exit 0']);
  });

  it('stops all of the process group, and again at the next line that matches', async () => {
    const shop = workshop();
    const name = await shop.create();
    // A command that ends right after the line is not stopped.
    const script = 'sh -c "echo FAIL 1; sleep 2; echo FAIL 2; sleep 2" | cat; echo end';
    const { ended, id, said } = await stopped(shop, [], name, script);
    await shop.gomote('kill', '-s', 'CONT', name, id);
    await expect.poll(() => said().split('is stopped').length - 1).toBe(2);
    await shop.gomote('kill', '-s', 'CONT', name, id);
    expect((await ended).stdout.toString()).toBe('FAIL 1\nFAIL 2\nend\n');
  });

  it.each(['TERM', 'INT', 'KILL'])('lets %s end a stopped command', async (signal) => {
    const shop = workshop();
    const name = await shop.create();
    const { ended, id } = await stopped(shop, [], name, 'echo FAIL; exec sleep 1000');
    await shop.gomote('kill', '-s', signal, name, id);
    expect((await ended).code).toBeGreaterThan(128);
  });

  it('ends with its client, together with the command', async () => {
    const shop = workshop();
    const name = await shop.create();
    const { ended, program } = await stopped(shop, [], name, 'echo FAIL; sleep 1000');
    program.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 143 });
    await expect.poll(() => states(shop, name)).toEqual([expect.not.stringContaining('stopped')]);
  });

  it('informs a client that attaches to the run', async () => {
    const shop = workshop();
    const name = await shop.create();
    const { stdout } = await shop.gomote(
      'run',
      '--detach',
      '--break',
      'FAIL',
      name,
      'sh',
      '-c',
      ticking,
    );
    const id = stdout.toString().trim();
    await expect.poll(() => states(shop, name)).toEqual(['stopped']);
    const program = shop.start('gomote', ['attach', name, id]);
    const ended = ending(program);
    await new Promise((resolve) => program.stderr?.once('data', resolve));
    await shop.gomote('kill', '-s', 'CONT', name, id);
    const result = await ended;
    expect(result.stdout.toString()).toContain('tick 3\n');
    expect(result.stderr.toString()).toContain('is stopped: a line matched --break');
  });

  it('prints nothing about a command that has ended right after the line', async () => {
    const shop = workshop();
    const name = await shop.create();
    const runs = Array.from({ length: 5 }, async () => {
      const program = shop.start('gomote', ['run', '--break', 'FAIL', name, 'echo', 'FAIL']);
      let said = '';
      let goingOn: Promise<Ended> | undefined;
      program.stderr?.on('data', (text) => {
        said += text;
        const id = /CONT \S+ (\S+)\n/.exec(said)?.[1];
        // Some are stopped in time: those can be continued.
        if (id !== undefined) goingOn ??= shop.gomote('kill', '-s', 'CONT', name, id);
      });
      const { code } = await ending(program);
      return { code, isTold: said.includes('is stopped'), continued: (await goingOn)?.code };
    });
    for (const run of await Promise.all(runs)) {
      expect(run).toEqual({ ...run, code: 0, continued: run.isTold ? 0 : undefined });
    }
  });

  it('handles STOP from gomote kill in the same way', async () => {
    const shop = workshop();
    const name = await shop.create();
    const program = shop.start('gomote', [
      'run',
      '--timeout',
      '60s',
      name,
      'sh',
      '-c',
      'echo up; sleep 1000',
    ]);
    const ended = ending(program);
    await new Promise((resolve) => program.stdout?.once('data', resolve));
    const [{ id }] = JSON.parse((await shop.gomote('ps', '--json', name)).stdout.toString());
    await shop.gomote('kill', '-s', 'STOP', name, id);
    expect(await states(shop, name)).toEqual(['stopped']);
    await shop.gomote('kill', '-s', 'KILL', name, id);
    expect((await ended).stderr.toString()).toContain('is stopped: it got STOP');
  });

  it.skipIf(!hasBubblewrap)('stops a command in a sandbox', async () => {
    const shop = workshop();
    const { stdout } = await shop.gomote('create', '--isolation', 'bubblewrap', 'local');
    const name = stdout.toString().trim();
    const { ended, id } = await stopped(shop, [], name);
    await shop.gomote('kill', '-s', 'CONT', name, id);
    expect((await ended).stdout.toString()).toContain('tick 3\n');
  });

  it.each([
    ['(', 'is not a regular expression'],
    ['(?=x)', 'is not a regular expression'],
    ['(a{1000}){1000}', 'is not a regular expression'],
    ['x{1,2}'.repeat(200), 'is longer than 1000 characters'],
  ])('refuses an expression before anything runs: %#', async (pattern, why) => {
    const shop = workshop();
    const name = await shop.create();
    const result = await shop
      .gomote('run', '--break', pattern, name, 'touch', 'ran')
      .catch((error) => error);
    expect(result).toMatchObject({ code: 125 });
    expect(result.stderr.toString()).toContain(why);
    expect((await shop.gomote('ls', name)).stdout.toString()).toBe('');
  });
});

describe('a run of the library with breakOn', () => {
  it('reports that it is stopped, and continues by SIGCONT', async () => {
    const { address } = await startBuildlet();
    const { gomote } = await openTestGomote();
    const buildlet = await gomote.get(`x@${address}`);
    const told: (Standstill | undefined)[] = [];
    const run = buildlet.run('sh', ['-c', ticking], {
      breakOn: 'FAIL',
      onStandstill: (standstill) => {
        told.push(standstill);
        if (standstill !== undefined) void run.kill('SIGCONT');
      },
    });
    expect(await run).toMatchObject({ ok: true, stdout: expect.stringContaining('tick 3') });
    expect(told).toEqual([{ by: 'break' }, undefined]);
  });

  it('fails where the buildlet cannot stop commands', async () => {
    const features = buildletFeatures.filter((name) => name !== 'break');
    const { address } = await startBuildlet({ features });
    const { gomote } = await openTestGomote();
    const buildlet = await gomote.get(`x@${address}`);
    const failure = { code: 'ERR_UNSUPPORTED' };
    await expect(buildlet.run('true', [], { breakOn: 'x' })).rejects.toMatchObject(failure);
  });

  it('is also refused by the buildlet when it is not a Go expression', async () => {
    const { address } = await startBuildlet();
    const { gomote } = await openTestGomote();
    const buildlet = await gomote.get(`x@${address}`);
    const failure = {
      code: 'ERR_REQUEST',
      message: expect.stringContaining('not a regular expression'),
    };
    await expect(buildlet.run('true', [], { breakOn: '(?=x)' })).rejects.toMatchObject(failure);
  });
});
