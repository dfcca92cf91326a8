// The programs that are put into containers: the bytes in the source are what their assembler text says.
import { spawnSync } from 'node:child_process';
import { lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { smallPrograms } from '../../src/backends/small-programs.ts';
import { ending, workshop } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const sources = new URL('../../src/backends/programs/', import.meta.url).pathname;

const machines = [
  { architecture: 'amd64', suffix: 'x64', tools: 'x86_64-linux-gnu' },
  { architecture: 'arm64', suffix: 'arm64', tools: 'aarch64-linux-gnu' },
];

function has(tool: string): boolean {
  if (spawnSync(tool, ['--version']).status === 0) return true;
  process.stderr.write(`\n*** TESTS ARE SKIPPED: ${tool} is not installed. ***\n\n`);
  return false;
}

const assembled = machines.filter(({ tools }) => has(`${tools}-as`));

const cases = Object.keys(smallPrograms).flatMap((name) =>
  assembled.map((machine) => ({ name, ...machine })),
);

it.each(cases)(
  '$name for $architecture consists of the bytes that its text gives',
  ({ name, architecture, ...tool }) => {
    const directory = temporaryDirectory();
    const [object, program] = [join(directory, 'o'), join(directory, 'p')];
    const source = join(sources, `${name}-${tool.suffix}.s`);
    expect(spawnSync(`${tool.tools}-as`, ['-o', object, source]).status).toBe(0);
    expect(spawnSync(`${tool.tools}-ld`, ['-n', '-s', '-o', program, object]).status).toBe(0);
    expect(readFileSync(program).toString('base64')).toBe(smallPrograms[name]?.[architecture]);
  },
);

/** The program of this machine's architecture, as a file. */
function programFile(name: string): string {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const path = join(temporaryDirectory(), name);
  const bytes = Buffer.from(smallPrograms[name]?.[architecture] ?? '', 'base64');
  writeFileSync(path, bytes, { mode: 0o755 });
  return path;
}

describe.runIf(process.platform === 'linux')('dial', () => {
  it('joins input and output to a socket until both ends are done', async () => {
    const { directory, start } = workshop();
    const socket = join(directory, 'socket');
    const server = createServer({ allowHalfOpen: true }, (connection) =>
      connection.pipe(connection),
    );
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    onTestFinished(() => void server.close());
    const child = start(programFile('dial'), [socket], { stdio: ['pipe', 'pipe', 'pipe'] });
    const ended = ending(child);
    const bytes = Buffer.alloc(3_000_000, 'some bytes ');
    child.stdin?.end(bytes);
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    expect(stdout.equals(bytes)).toBe(true);
  });

  it.each([
    ['nobody listens', (directory: string) => [join(directory, 'none')], 2],
    ['the path is too long', () => [`/${'x'.repeat(120)}`], 36],
    ['no path is given', () => [], 22],
  ])('ends with the number of the error when %s', async (_title, args, code) => {
    const { directory, run } = workshop();
    expect((await run(programFile('dial'), ...args(directory))).code).toBe(code);
  });
});

describe.runIf(process.platform === 'linux')('mkfifo', () => {
  it('makes FIFOs that belong to this user alone, and reports what it could not make', async () => {
    const { directory, run } = workshop();
    const paths = ['a', 'b'].map((name) => join(directory, name));
    const program = programFile('mkfifo');
    expect((await run(program, '-m', '600', ...paths)).code).toBe(0);
    for (const path of paths) {
      const found = lstatSync(path);
      expect(found.isFIFO()).toBe(true);
      expect(found.mode & 0o777).toBe(0o600);
    }
    expect((await run(program, '-m', '600', join(directory, 'c'), ...paths)).code).toBe(17);
  });
});
