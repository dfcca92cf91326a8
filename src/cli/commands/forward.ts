// gomote forward: makes ports and sockets of a buildlet available here, or those of this machine there.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import type { Forward } from '../../gomote/forward.ts';
import { parseForward } from '../../gomote/forward-spec.ts';
import type { Context } from '../context.ts';
import { printLines } from '../terminal/terminal.ts';
import { appendValue } from '../values.ts';

interface Options {
  remote: string[];
  address?: string;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument(
      '[ports...]',
      'take connections here and carry them there: PORT, FROM:TO or FROM:HOST:PORT; 0 takes any port that is free; either end can be unix:PATH',
    )
    .option(
      '-R, --remote <from:to>',
      'take connections on the buildlet and carry them here; may be repeated',
      appendValue,
      [],
    )
    .option('--address <address>', 'where ports without a host are taken here (default: 127.0.0.1)')
    .action(async (name: string, ports: string[], { remote, address }: Options) => {
      if (ports.length + remote.length === 0) {
        throw new GomoteError('ERR_USAGE', 'nothing to forward', {
          hint: `such as gomote forward ${name} 8080:3000`,
        });
      }
      for (const spec of [...ports, ...remote]) parseForward(spec, address);
      await context.withBuildlet(name, async (buildlet) => {
        const forwards: Forward[] = [];
        const { signal } = context;
        const onTrouble = context.messages.remark;
        try {
          for (const [spec, isRemote] of [
            ...ports.map((spec) => [spec, false] as const),
            ...remote.map((spec) => [spec, true] as const),
          ]) {
            const options = { remote: isRemote, ...(isRemote ? {} : { address }) };
            const forward = await buildlet.forward(spec, { ...options, onTrouble, signal });
            forwards.push(forward);
            const [from, to] = isRemote
              ? [`${name}:${forward.from}`, forward.to]
              : [forward.from, `${name}:${forward.to}`];
            await printLines(context.terminal, [`${from} -> ${to}`]);
          }
          await Promise.all(forwards.map(({ ended }) => ended));
        } finally {
          await Promise.all(forwards.map((forward) => forward.close()));
        }
      });
    });
}
