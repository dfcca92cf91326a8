// gomote run: runs a command on the buildlet, with its output here and its exit status as ours.
import type { Command } from 'commander';
import { parseDuration } from '../../duration.ts';
import { GomoteError } from '../../errors.ts';
import { closedNetworkVariable } from '../../protocol/session.ts';
import type { Context } from '../context.ts';
import { runCommand } from '../run/run-command.ts';
import { readEnvironmentFile, readVariable } from '../run/run-environment.ts';
import type { RunOptions } from '../run/run-options.ts';
import {
  addPatternOf,
  parseCount,
  parsePathOption,
  parserOfEither,
  refuseBoth,
} from '../values.ts';

interface Options extends RunOptions {
  sh?: string;
}

export function define(command: Command, context: Context): void {
  const { environment } = context.terminal;
  const duration = (option: string) => (text: string) => parseDuration(option, text);
  command
    .argument('<name>', 'buildlet')
    .argument(
      '[cmd]',
      'command: NAME is looked up on PATH, ./NAME is in the directory of the run, /NAME anywhere',
    )
    .argument('[arg...]', 'its arguments: all that follows belongs to the command')
    .option('--sh <script>', 'run this line by /bin/sh; CMD and ARGs are its $1, $2, …')
    .option('--system', 'run outside the work directory; the default if CMD begins with /')
    .option('--debug', 'tell how the command is run before its output')
    .option(
      '-e, --env <key[=value]>',
      'set a variable, or pass the one that is set here; may be repeated',
      (text, all: string[] = []) => [...all, ...readVariable('-e', text, environment)],
    )
    .option(
      '--env-file <file>',
      'set the variables in a file, one a line as with -e; may be repeated',
      (file, all: string[] = []) => [...all, ...readEnvironmentFile(file, environment)],
    )
    .option(
      '--path <elements>',
      'PATH as a list with commas; $PATH and $WORKDIR in it are expanded, EMPTY is none',
      parsePathOption,
    )
    .option(
      '--dir <dir>',
      'where to run, relative to the work directory, which is . (default: where this tree was pushed)',
    )
    .option('--firewall', `take the network from the command: -e ${closedNetworkVariable}=1`)
    .option('--builderenv <type>', 'use the environment of this builder type of the same host type')
    .option('-i, --interactive', 'pass standard input also when it is a terminal')
    .option('-t, --tty', 'run on a terminal (default: with -i, if this is one)')
    .option('-T, --no-tty', 'run on no terminal')
    .option(
      '--timeout <duration>',
      'end the command after this long, such as 10m (with --until: all its runs); exit status 124; 0: never',
      duration('--timeout'),
    )
    .option(
      '--idle-timeout <duration>',
      'end the command when it has been without output for this long; exit status 124',
      duration('--idle-timeout'),
    )
    .option(
      '--kill-after <duration>',
      'how long the command has between TERM and KILL (default: 5s)',
      duration('--kill-after'),
    )
    .option(
      '--reconnect <duration>',
      'how long a lost connection is tried again (default: 5m)',
      (text) => parseDuration('--reconnect', text),
    )
    .option('--forward', 'forward each port that the command opens, and say where it is here')
    .option(
      '--detach',
      'print the id of the run and leave it running; see attach, logs, wait, kill',
    )
    .option(
      '--until <re>',
      'run it again and again until its output matches this regular expression, of the syntax of Go',
    )
    .option(
      '--break <re>',
      'stop the command when a line of its output matches this regular expression, until gomote kill -s CONT; time limits stand still',
    )
    .option('--max <n>', 'with --until: give up after N runs; exit status 1', (text) =>
      parseCount('--max', text, 999_999),
    )
    .option('--retry <n>', 'when it fails, run it up to N times more', (text) =>
      parseCount('--retry', text, 999, 0),
    )
    .option(
      '--collect',
      'write the output also to NAME.stdout, and afterwards the work directory to NAME.tar.gz, in the current directory',
    )
    .option(
      '--get <pattern>',
      'fetch the files that match afterwards, also when it failed; as in a .gitignore, from the directory of the run; can be repeated',
      addPatternOf('--get'),
      [],
    )
    .option(
      '--require <pattern>',
      'as --get, and end with 1 when nothing matches; can be repeated',
      addPatternOf('--require'),
      [],
    )
    .option(
      '--junit <pattern>',
      'merge the JUnit reports that match afterwards, and print a summary; can be repeated',
      addPatternOf('--junit'),
      [],
    )
    .option('--junit-output <file>', 'where to write the merged report (default: junit.xml)')
    .option('--fail-on-test-failures', 'with --junit: end with 1 when a test failed')
    .option(
      '--on-failure <what>',
      'when it fails: a shell where it ran (on a terminal), or keep, to say how to continue',
      parserOfEither('--on-failure', 'shell', 'keep'),
    )
    .option(
      '--bundle-on-failure <file>',
      'when it fails, write its output, status and circumstances to FILE, for gomote doctor',
    )
    .option('--timestamps', 'begin each line of output with the time at which it was written')
    .option('--time', 'say afterwards how long it took, and what it used of CPU time and memory')
    .option('--id <id>', 'give the run this id (default: a fresh one)')
    .option(
      '--on-hangup <what>',
      'when the terminal goes: kill the command, or detach from it (default: kill)',
      parserOfEither('--on-hangup', 'kill', 'detach'),
    )
    .option('--status-json <file>', 'write how it ended as JSON to FILE, or to a descriptor: fd:3')
    .passThroughOptions()
    .on('option:tty', () => refuseBoth(command, '-t', '-T'))
    .on('option:no-tty', () => refuseBoth(command, '-T', '-t'))
    .action(async (name: string, first: string | undefined, rest: string[], options: Options) => {
      const words = first === undefined ? [] : [first, ...rest];
      const read = () => {
        const [cmd, ...args] = commandOf('run', words, options.sh);
        return { name, cmd, args };
      };
      context.exitCode = await runCommand(read, options, context);
    });
}

/** The command as words. `--sh` is also accepted after NAME. */
export function commandOf(
  of: string,
  words: readonly string[],
  script: string | undefined,
): [string, ...string[]] {
  const [first, second, ...rest] = words;
  if (script !== undefined) return ['/bin/sh', '-c', script, 'sh', ...words];
  if (first === '--sh' && second !== undefined) return ['/bin/sh', '-c', second, 'sh', ...rest];
  const [cmd = '', ...args] = first === '--' ? words.slice(1) : words;
  if (cmd !== '' && !cmd.startsWith('-')) return [cmd, ...args];
  throw new GomoteError(
    'ERR_USAGE',
    cmd === '' ? `${of} needs a command` : `"${cmd}" cannot be a command`,
    { hint: `options go before NAME: gomote ${of} [options] NAME CMD [ARG...]` },
  );
}
