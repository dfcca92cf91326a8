// gomote version: prints this program's version.
import type { Command } from 'commander';
import { readVersion } from '../../package-root.ts';
import type { Context } from '../context.ts';
import { listedJson, print } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command.option('--json', 'print a JSON object').action(async ({ json }: { json?: boolean }) => {
    const version = readVersion();
    const { terminal } = context;
    const about = {
      version,
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
    };
    await print(terminal, json ? listedJson(about, terminal) : `${version}\n`);
  });
}
