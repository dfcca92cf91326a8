// A command that cannot be started for want of descriptors keeps none.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { expect, it } from 'vitest';
import { projectRoot } from '../../helpers/programs.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const script = `
  import { closeSync, openSync, readdirSync } from 'node:fs';
  import { startCommand } from './command.ts';
  import { PipeStock } from './output-pipe.ts';

  const directory = process.argv[2];
  const pipes = new PipeStock(directory);
  const count = () => readdirSync('/proc/self/fd').length;
  const command = { file: '/bin/true', argv0: 'true', args: [], directory, environment: {}, mark: 'x#1', debugLine: '' };
  const settled = async () => { for (let i = 0; i < 20; i++) await new Promise(setImmediate); };

  await pipes.fill();
  // The first one loads what Node loads on use.
  const first = await startCommand(command, { pipes }, { merge: false, stdin: true });
  first.stdout.resume(); first.stderr.resume(); first.stdin.destroy();
  await first.exited;
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = count();
  const outcomes = [];
  for (let free = 0; free <= 8; free++) {
    await pipes.fill();
    const taken = [];
    try { for (;;) taken.push(openSync('/dev/null', 'r')); } catch {}
    for (const fd of taken.splice(0, free)) closeSync(fd);
    const started = await startCommand(command, { pipes }, { merge: false, stdin: true }).catch((error) => ({ failed: error.code }));
    for (const fd of taken) closeSync(fd);
    if ('exited' in started) {
      started.stdout.resume(); started.stderr.resume(); started.stdin.destroy();
      await started.exited;
    }
    await settled();
    outcomes.push('exited' in started ? 'ran' : started.failed ?? started.notStarted);
  }
  const until = Date.now() + 10_000;
  while (count() !== before && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(JSON.stringify({ outcomes, left: count() - before }));
`;

it.runIf(process.platform === 'linux')(
  'every descriptor that was opened for a command is closed again',
  () => {
    const directory = temporaryDirectory();
    const program = join(directory, 'program.mjs');
    const resolveDir = join(projectRoot, 'src/buildlet/command');
    buildSync({
      stdin: { contents: script, resolveDir, loader: 'ts' },
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'esm',
    });
    const limited = ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, program, directory];
    const told = JSON.parse(execFileSync('sh', limited, { encoding: 'utf8' }));
    expect(told.outcomes[0]).toContain('too many open files');
    expect(new Set(told.outcomes).size).toBeGreaterThan(1);
    expect(told.left).toBe(0);
  },
);
