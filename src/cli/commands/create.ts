// gomote create: asks the backend for buildlets and prints their names.
import type { Command } from 'commander';
import type { AnyBackend } from '../../backends/backend.ts';
import type { HostType } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { createAll, withoutThem } from '../create-all.ts';
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
    .option('--cpus <n>', 'containers only: how many CPUs it may use, such as 1.5', (text) =>
      parseAmount('--cpus', text),
    )
    .option(
      '--memory <size>',
      'containers only: how much memory it may use, such as 512m or 4g',
      (text) => parseMemoryOption('--memory', text),
    )
    .option('--network <name>', 'containers only: none, bridge or the name of a network')
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
        const instances = await context.talk.during(`creating ${builder.name}`, (onProgress) =>
          createAll(backend, builder, options.count ?? 1, {
            user,
            host: options.inheritEnv ? { ...host, inheritEnv: true } : host,
            ...{ signal, onProgress, onHost },
            onWarning: (line) => context.talk.say(`gomote: ${line}`),
          }),
        );
        const names = await Promise.all(
          instances.map(({ name }) => context.fullName(backend.name, name)),
        );
        try {
          await print(context.terminal, names.map((name) => `${name}\n`).join(''));
        } catch (error) {
          // Nobody knows their names.
          throw await withoutThem(backend, instances, error);
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
  { cpus, memory, network }: Options,
  kind: string | undefined,
): HostType {
  const given = {
    ...(cpus !== undefined && { cpus }),
    ...(memory !== undefined && { memoryBytes: memory }),
    ...(network !== undefined && { network }),
  };
  if (Object.keys(given).length === 0) return host;
  if (kind === 'docker' && host.docker !== undefined) {
    return { ...host, docker: { ...host.docker, ...given } };
  }
  const [option = ''] = Object.entries({ cpus, memory, network }).find(([, value]) => value) ?? [];
  throw new GomoteError('ERR_USAGE', `--${option} is for containers only`, {
    hint: 'give a builder type whose host type has an image, or docker:IMAGE',
  });
}
