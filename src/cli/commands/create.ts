// gomote create: asks the backend for buildlets and prints their names.
import { type Command, Option } from 'commander';
import type { AnyBackend } from '../../backends/backend.ts';
import type { HostType } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { createAll, withoutCreated } from '../create-all.ts';
import { type Wanted, withType } from '../find-type.ts';
import { print } from '../terminal/terminal.ts';
import { parseAmount, parseCount, parseMemoryOption } from '../values.ts';

interface Options {
  count?: number;
  inheritEnv?: boolean;
  host?: string;
  cpus?: number;
  memory?: number;
  network?: string;
  isolation?: 'none' | 'bubblewrap';
}

/** The most buildlets one command makes. */
const countLimit = 100;

export function define(command: Command, context: Context): void {
  command
    .argument('[type]', 'builder type, or the beginning of one; without it the types are listed')
    .option('--count <n>', 'how many to create: all or none', (text) =>
      parseCount('--count', text, countLimit),
    )
    .option(
      '--inherit-env',
      'commands get all of the environment in which the buildlet is started, not only the base of it',
    )
    .option('--host <host>', 'which of the hosts of an ssh backend; default: the least busy one')
    .option('--cpus <n>', 'how many CPUs commands may use, such as 1.5', (text) =>
      parseAmount('--cpus', text),
    )
    .option('--memory <size>', 'how much memory commands may use, such as 512m or 4g', (text) =>
      parseMemoryOption('--memory', text),
    )
    .option(
      '--network <name>',
      'none, or where commands are connected: host on this machine, else bridge or the name of a network',
    )
    .addOption(
      new Option(
        '--isolation <how>',
        'on this machine only: run commands in a sandbox, or as you with all that you can do (default: none)',
      ).choices(['none', 'bubblewrap']),
    )
    .action(async (type: string | undefined, options: Options) => {
      await withType(type, context, async ({ backend, builder, host: described }: Wanted) => {
        const { signal } = context;
        const onHost = hostOf(options, backend);
        await backend.answerPrompts?.({ signal, onHost });
        const user = await context.user();
        const host = withLimits(
          described,
          options,
          (await context.backendConfig(backend.name))?.kind,
        );
        const instances = await context.messages.during(`creating ${builder.name}`, (onProgress) =>
          createAll(backend, builder, options.count ?? 1, {
            user,
            host: options.inheritEnv ? { ...host, inheritEnv: true } : host,
            ...{ signal, onProgress, onHost },
            onWarning: (line) => context.messages.say(`gomote: ${line}`),
          }),
        );
        const names = await Promise.all(
          instances.map(({ name }) => context.fullName(backend.name, name)),
        );
        try {
          await print(context.terminal, names.map((name) => `${name}\n`).join(''));
        } catch (error) {
          // Nobody knows their names.
          throw await withoutCreated(backend, instances, error);
        }
      });
    });
}

function hostOf({ host }: Options, backend: AnyBackend): string | undefined {
  if (host === undefined || backend.answerPrompts !== undefined) return host;
  throw new GomoteError('ERR_USAGE', `backend "${backend.name}" has no hosts to choose from`, {
    hint: 'leave --host out, or give --backend NAME for one of kind "ssh"',
  });
}

/** The host type with what the command line says of the machine. Throws ERR_USAGE where that is not made so. */
function withLimits(
  host: HostType,
  { cpus, memory: memoryBytes, network, isolation }: Options,
  kind: string | undefined,
): HostType {
  const given = Object.fromEntries(
    Object.entries({ cpus, memoryBytes, network, isolation }).filter(([, value]) => value),
  );
  const [first] = Object.keys(given);
  if (first === undefined) return host;
  if (kind === 'local' || kind === 'ssh') {
    if (network !== undefined && network !== 'host' && network !== 'none') {
      throw new GomoteError('ERR_USAGE', `--network "${network}" is for containers only`, {
        hint: 'elsewhere it is host or none',
      });
    }
    return { ...host, local: { ...host.local, ...given } };
  }
  if (kind === 'docker' && host.docker !== undefined && isolation === undefined) {
    return { ...host, docker: { ...host.docker, ...given } };
  }
  const option = isolation === undefined ? first.replace('Bytes', '') : 'isolation';
  const where = isolation === undefined ? 'this machine and for containers' : 'this machine';
  throw new GomoteError('ERR_USAGE', `--${option} is for ${where} only`, {
    hint: 'elsewhere the host type says it, in config.toml or at the coordinator',
  });
}
