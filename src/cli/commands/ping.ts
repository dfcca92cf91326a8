// gomote ping: checks that a buildlet answers and accepts its password.
import type { Command } from 'commander';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';
import { printJson } from '../terminal/terminal.ts';

interface Options {
  status?: boolean;
  json?: boolean;
}

const pingTimeoutMs = 10_000;

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .option('--status', 'print its status as JSON')
    .option('--json', 'print a JSON object: its status, and how long it took')
    .action(async (name: string, options: Options) => {
      const signal = anySignal(context.signal, timeoutSignal(pingTimeoutMs));
      await context.withBuildlet(name, async ({ client }) => {
        const startedAtMs = Date.now();
        const { version, confinement } = await client.status({ signal });
        const tookMs = Date.now() - startedAtMs;
        if (options.json)
          await printJson(context.terminal, { name, tookMs, version, ...confinement });
        else if (options.status) await printJson(context.terminal, { version, ...confinement });
        else context.messages.say(`${name} answers: version ${version}, ${tookMs} ms`);
      });
    });
}
