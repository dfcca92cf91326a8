// What runs used of the machine, by the commands that tell it.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testCli } from '../../helpers/cli.ts';

const isLinux = process.platform === 'linux';

describe.runIf(isLinux)('the usage of a run', () => {
  it.each([
    ['a plain one', []],
    ['one on a terminal', ['-t']],
  ])('is in the record of %s', async (_, options) => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const file = `${cli.directory}/status.json`;
    const script = 'const b = Buffer.alloc(100e6, 1); setTimeout(() => b.length, 2000)';
    const argv = ['run', ...options, '--time', '--id', 'it', '--status-json', file, name];
    const result = await cli([...argv, process.execPath, '-e', script]);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).toMatch(
      /^gomote: [0-9.]+s real, [0-9.]+s CPU, [0-9.]+ MB of memory at most \(sampled\)$/m,
    );
    const { usage } = JSON.parse(readFileSync(file, 'utf8'));
    expect(usage).toMatchObject({ memoryBy: 'sampled' });
    expect(usage.cpuMs).toBeGreaterThan(0);
    expect(usage.peakMemoryBytes).toBeGreaterThan(100e6);
    const [run] = JSON.parse((await cli(['ps', '--json', name])).stdout);
    expect(run.end.usage).toEqual(usage);
    expect((await cli(['ps', name], { isTerminal: true })).stdout).toMatch(
      /^ID +STATE +TIME +CPU +MEMORY +STARTED +COMMAND\nit +exit 0 +\S+ +[0-9.]+s +[0-9]+ MB +/,
    );
  });

  it('is reported for each try', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const { stderr } = await cli(['run', '--time', '--retry', '1', name, 'false']);
    expect(stderr.match(/s real, /g)).toHaveLength(2);
  });
});
