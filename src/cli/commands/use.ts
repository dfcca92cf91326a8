// gomote use: sets the default buildlet of this project.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { isAddress } from '../../gomote/buildlet-name.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import { print, printJson } from '../terminal/terminal.ts';
import { contradiction } from '../values.ts';
import { fullNameOf, isThere, shortName } from '../which/names.ts';
import { readProject } from '../which/project.ts';
import { useBuildlet, usedBuildlet } from '../which/used.ts';

interface Options {
  none?: boolean;
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('[name]', 'buildlet; without it, print the one that is used')
    .option('--none', 'use none any more')
    .option('--json', 'print a JSON object')
    .action(async (name: string | undefined, options: Options) => {
      const { terminal } = context;
      const { environment } = terminal;
      const tell = async (used: string | null) => {
        if (options.json) await printJson(terminal, { name: used });
      };
      const record = readProject(environment);
      if (options.none) {
        if (name !== undefined) throw contradiction('--none', `"${name}"`);
        useBuildlet(undefined, record, environment);
        return await tell(null);
      }
      if (name !== undefined) {
        await requireThere(name, context);
        const full = await fullNameOf(name, context);
        useBuildlet(full, record, environment);
        return await tell(await shortName(full, context));
      }
      const used = usedBuildlet(record);
      if (used !== undefined && 'name' in used) {
        const shown = await shortName(used.name, context);
        if (options.json) return await tell(shown);
        return await print(terminal, `${printable(shown)}\n`);
      }
      throw new GomoteError('ERR_CONFIG', used?.fault ?? `no buildlet is used in ${record.root}`, {
        hint: 'gomote use NAME',
      });
    });
}

async function requireThere(name: string, context: Context): Promise<void> {
  if (isAddress(name)) {
    throw new GomoteError('ERR_USAGE', `"${name}" is the address of a buildlet, not its name`, {
      hint: `set GOMOTE_BUILDLET=${name}`,
    });
  }
  if (await isThere(name, context)) return;
  throw new GomoteError('ERR_UNKNOWN_BUILDLET', `there is no buildlet "${name}"`, {
    hint: 'see gomote list',
  });
}
