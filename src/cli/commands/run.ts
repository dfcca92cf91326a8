// gomote run: a command on the buildlet, its output here, its exit status ours.
import type { Command } from 'commander';
import type { BuilderType } from '../../builders.ts';
import type { ExecResult } from '../../client/exec.ts';
import { parseDuration } from '../../duration.ts';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { parseKeyValue, parsePathOption } from '../values.ts';

interface Options {
  system?: boolean;
  debug?: boolean;
  env?: string[];
  path?: string[];
  dir?: string;
  builderenv?: string;
  timeout?: number;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument(
      '<cmd>',
      'command: NAME is looked up on PATH, ./NAME is in the work dir, /NAME anywhere',
    )
    .argument('[arg...]', 'its arguments: all that follows belongs to the command')
    .option('--system', 'run outside the work dir; the default if CMD begins with /')
    .option('--debug', 'tell how the command is run before its output')
    .option(
      '-e, --env <key=value>',
      'set a variable; may be repeated',
      (text, all: string[] = []) => [...all, parseKeyValue('-e', text)],
    )
    .option(
      '--path <elements>',
      'PATH as a list with commas; $PATH and $WORKDIR in it are expanded, EMPTY is none',
      parsePathOption,
    )
    .option('--dir <dir>', 'where to run (default: the directory of CMD, or the work dir)')
    .option('--builderenv <type>', 'use the environment of this builder type of the same host type')
    .option(
      '--timeout <duration>',
      'end the command after this long, such as 10m; exit status 124',
      (text) => parseDuration('--timeout', text),
    )
    .passThroughOptions()
    .action(async (name: string, first: string, rest: string[], options: Options) => {
      const [cmd = '', ...args] = first === '--' ? rest : [first, ...rest];
      if (cmd === '' || cmd.startsWith('-')) {
        throw new GomoteError(
          'ERR_USAGE',
          cmd === '' ? 'run needs a command' : `"${cmd}" cannot be a command`,
          {
            hint: 'options go before NAME: gomote run [options] NAME CMD [ARG...]',
          },
        );
      }
      const result = await context.withBuildlet(name, async ({ client, builder }) => {
        const acting = await actingBuilder(builder, options.builderenv, name, context);
        return await client.exec(cmd, {
          args,
          // A bare name is looked up on PATH, as in a shell; Go's gomote looks for a file in the work dir.
          systemLevel: options.system === true || cmd.startsWith('/') || !cmd.includes('/'),
          debug: options.debug,
          dir: options.dir,
          extraEnv: [...(acting?.env ?? []), ...(options.env ?? [])],
          path: options.path ?? acting?.path,
          timeoutMs: options.timeout || undefined,
          output: context.terminal.stdout,
          signal: context.signal,
        });
      });
      context.exitCode = exitCodeOf(result);
      if (result.signal !== undefined)
        context.talk.say(`gomote: the command ended by ${result.signal}`);
    });
}

/** The builder type whose environment the command gets; only one of the same host type can stand in. */
async function actingBuilder(
  own: BuilderType | undefined,
  wanted: string | undefined,
  name: string,
  context: Context,
): Promise<BuilderType | undefined> {
  if (wanted === undefined) return own;
  const { catalogue } = await context.config();
  const other = catalogue.builders.find((builder) => builder.name === wanted);
  if (other !== undefined && (own === undefined || own.hostType === other.hostType)) return other;
  throw new GomoteError(
    other === undefined ? 'ERR_UNKNOWN_TYPE' : 'ERR_USAGE',
    other === undefined
      ? `unknown builder type "${wanted}"`
      : `--builderenv ${wanted} has host type ${other.hostType}, but ${name} has ${own?.hostType}`,
    { hint: 'see gomote types' },
  );
}

/** The remote status as ours: a larger one, as Windows has them, keeps its low byte, but is never success. */
function exitCodeOf(result: ExecResult): number {
  if (result.signalNumber !== undefined) return 128 + result.signalNumber;
  const { exitCode = 125 } = result;
  return exitCode <= 255 ? exitCode : exitCode & 0xff || 1;
}
