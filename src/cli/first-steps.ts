// Tells a new user what to do next, once: after the first buildlet that is created at a terminal.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../files/user-directories.ts';
import type { Context } from './context.ts';

export function printNextSteps(name: string, { terminal, messages }: Context): void {
  const isSeen = terminal.stdout.isTTY === true && terminal.stderr.isTTY === true;
  const directory = isSeen ? cacheDirectory(terminal.environment, 'said') : undefined;
  if (directory === undefined) return;
  try {
    writeFileSync(join(directory, 'first-steps'), '', { flag: 'wx', mode: 0o600 });
  } catch {
    // It was printed before, or that cannot be recorded and it would be printed each time.
    return;
  }
  messages.say([
    `gomote: next, gomote push ${name} sends the tree you are in, gomote run ${name} CMD runs a command there,`,
    `gomote destroy ${name} ends it. docs/first-day.md and gomote -h have more; this is said once.`,
  ]);
}
