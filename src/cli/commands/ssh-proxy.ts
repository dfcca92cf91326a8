// gomote ssh-proxy: an SSH server for one buildlet on standard input and output, the ProxyCommand of ssh-config's entries.
import type { Command } from 'commander';
import type { Context } from '../context.ts';

export function define(command: Command, context: Context): void {
  command.argument('<name>', 'buildlet').action(async (name: string) => {
    const { terminal, messages, signal } = context;
    try {
      await context.withBuildlet(name, async (buildlet) => {
        const { serveSsh } = await import('../../gomote/ssh/serve.ts');
        await serveSsh(buildlet, {
          input: terminal.stdin,
          output: terminal.stdout,
          onTrouble: messages.remark,
          signal,
        });
      });
    } finally {
      // While it is read from, this process does not end.
      terminal.stdin.destroy();
    }
  });
}
