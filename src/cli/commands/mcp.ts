// gomote mcp: machines for an agent, within limits.
import type { Command } from 'commander';
import { parseDuration } from '../../duration.ts';
import { GomoteError } from '../../errors.ts';
import type { MachineOptions } from '../../gomote/create.ts';
import { pushPlace } from '../../gomote/push-place.ts';
import { borrowOptions } from '../borrowed-options.ts';
import type { Context } from '../context.ts';
import { appendValue, parseCount } from '../values.ts';
import * as create from './create.ts';

interface Options extends Pick<MachineOptions, 'cpus' | 'network' | 'isolation'> {
  root?: string;
  machines?: number;
  lifetime?: number;
  type: string[];
  on: string[];
  memory?: number;
}

/** Unless the options or the configuration say otherwise. */
const usual = { machines: 3, lifetimeMs: 3_600_000 };

export function define(command: Command, context: Context): void {
  command
    .option(
      '--root <dir>',
      'the project: no path here leads out of it (default: this git work tree)',
    )
    .option('--machines <n>', 'how many machines at once (default: 3)', (text) =>
      parseCount('--machines', text, 64),
    )
    .option('--lifetime <duration>', 'how long each lives at most (default: 1h)', parseLifetime)
    .option(
      '--type <type>',
      'a type that may be made, the first by default; can be repeated (default: those of the configuration but local)',
      appendValue,
      [],
    )
    .option(
      '--on <name>',
      'a buildlet to be used as well, which stays; can be repeated',
      appendValue,
      [],
    );
  borrowOptions(command, create, '--cpus --memory --network --isolation', context);
  command.action(async (options: Options) => {
    const { cpus, memory: memoryBytes, network, isolation, type, on } = options;
    const { mcp } = await context.backends.config();
    const { top } = pushPlace(options.root, '.');
    const limits = {
      machines: options.machines ?? mcp?.machines ?? usual.machines,
      lifetimeMs: options.lifetime ?? mcp?.lifetime ?? usual.lifetimeMs,
      types: type.length > 0 ? type : (mcp?.types ?? []),
      on,
      machine: { cpus, memoryBytes, network, isolation },
    };
    const { serve } = await import('../mcp/serve.ts');
    await serve(limits, top, context);
  });
}

function parseLifetime(text: string): number {
  const lifetimeMs = parseDuration('--lifetime', text);
  if (lifetimeMs > 0) return lifetimeMs;
  throw new GomoteError('ERR_USAGE', '--lifetime "0" leaves no time', { hint: 'give 1h, say' });
}
