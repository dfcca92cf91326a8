// gomote doctor: finds what may keep gomote from working, with a cure for each. It changes nothing.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { checkBackends } from '../doctor/backends.ts';
import type { Finding } from '../doctor/finding.ts';
import {
  checkConfig,
  checkDisks,
  checkLimits,
  checkPrograms,
  checkVersions,
} from '../doctor/machine.ts';
import { exitCodes } from '../exit-codes.ts';
import { listed, listedJson, print } from '../terminal/terminal.ts';

interface Options {
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('[file]', 'the bundle of a run that failed: it is checked, and summarized')
    .option('--json', 'print a JSON object')
    .action(async (file: string | undefined, options: Options) => {
      const { terminal } = context;
      if (file !== undefined) {
        const { printBundle } = await import('../doctor/bundle.ts');
        return await printBundle(file, options, terminal);
      }
      // Never asks for a password.
      terminal.environment.GOMOTE_UNATTENDED = '1';
      const { findings: ofConfig, config } = await checkConfig(context);
      const [disks, programs, backends] = await context.messages.during('looking', () =>
        Promise.all([
          checkDisks(terminal.environment),
          checkPrograms(config, terminal.environment),
          checkBackends(config, context),
        ]),
      );
      const ofMachine = [...disks, ...checkLimits(), ...programs];
      const findings = [...checkVersions(), ...ofConfig, ...ofMachine, ...backends];
      const isOk = findings.every(({ state }) => state !== 'problem');
      const text = options.json
        ? listedJson({ ok: isOk, findings }, terminal, 2)
        : listed(findings.flatMap(linesOf), terminal);
      await print(terminal, text);
      if (!isOk) context.exitCode = exitCodes.failed;
    });
}

const linesOf = ({ check, state, message, cure }: Finding): string[] => [
  `${state.padEnd(7)}  ${check}: ${message}`,
  ...(cure === undefined ? [] : [`         ${cure}`]),
];
