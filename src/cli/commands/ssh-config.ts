// gomote ssh-config: writes entries for buildlets into the configuration of ssh.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { sshHosts } from '../../gomote/ssh/hosts.ts';
import { plural } from '../../plural.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import { throwAll } from '../failures.ts';
import { print, printLines } from '../terminal/terminal.ts';
import { contradiction } from '../values.ts';

interface Options {
  write?: boolean;
  remove?: boolean;
  sshConfig?: string;
}

export function define(command: Command, context: Context): void {
  command
    .argument('[names...]', 'buildlets (default: all of yours)')
    .option('--write', 'write the entries into a file of their own, and name it in ~/.ssh/config')
    .option('--remove', 'take all of that away again, and the keys')
    .option('--ssh-config <file>', 'the configuration of ssh, if not ~/.ssh/config')
    .action(async (names: string[], options: Options) => {
      checkOptions(names, options);
      const { sshConfig } = options;
      const { gomote, terminal, messages } = context;
      const config = await import('../../gomote/ssh/ssh-config.ts');
      if (options.remove) {
        for (const what of config.removeSshConfig(context.backends, sshConfig))
          messages.remark(`removed ${what}`);
        return;
      }
      const failures: GomoteError[] = [];
      const hosts = await sshHosts(gomote, names, (error) => failures.push(error));
      const blocks = await config.hostBlocks(context.backends, hosts);
      if (!options.write) {
        await printLines(
          terminal,
          blocks.size === 0 ? [] : [[...blocks.values()].join('\n').trimEnd()],
        );
        return throwAll(failures);
      }
      const keep = names.length > 0 || failures.length > 0;
      const written = await config.writeSshConfig(context.backends, blocks, { keep, sshConfig });
      const { file, line } = written;
      messages.remark(`wrote ${file}, with ${plural(blocks.size, 'host')}`);
      if (written.include === 'added') messages.remark(`added to ${written.sshConfig}: ${line}`);
      if (written.include === 'left')
        messages.remark(`add this as the first line of ${written.sshConfig}: ${line}`);
      for (const { aliases } of hosts)
        await print(terminal, `ssh ${printable(aliases[0] ?? '')}\n`);
      throwAll(failures);
    });
}

function checkOptions(names: readonly string[], { write, remove, sshConfig }: Options): void {
  if (write && remove) throw contradiction('--write', '--remove');
  if (remove && names.length > 0) {
    throw new GomoteError('ERR_USAGE', '--remove takes away the entries of all buildlets', {
      hint: 'give no names; --write without names drops those that have ended',
    });
  }
  if (sshConfig !== undefined && !write && !remove) {
    throw new GomoteError('ERR_USAGE', '--ssh-config is for --write and --remove');
  }
}
