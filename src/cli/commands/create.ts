// gomote create: asks the backend for buildlets and prints their names.
import type { Command } from 'commander';
import type { AnyBackend } from '../../backends/backend.ts';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { createAll, withoutThem } from '../create-all.ts';
import { type Wanted, withType } from '../find-type.ts';
import { print } from '../terminal/terminal.ts';
import { parseCount } from '../values.ts';

interface Options {
  count?: number;
  inheritEnv?: boolean;
  host?: string;
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
    .action(async (type: string | undefined, options: Options) => {
      await withType(type, context, async ({ backend, builder, host }: Wanted) => {
        const { signal } = context;
        const onHost = hostOf(options, backend);
        await backend.answerPrompts?.({ signal, onHost });
        const user = await context.user();
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
