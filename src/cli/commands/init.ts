// gomote init: writes a project file, based on the project's other files.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { errnoOf, GomoteError } from '../../errors.ts';
import { pushPlace } from '../../gomote/push-place.ts';
import { errnoText } from '../../protocol/process-state.ts';
import type { Context } from '../context.ts';
import { type Detected, detect } from '../project/detect.ts';
import { projectFileName } from '../project/find-project.ts';
import { print } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command.action(async () => {
    const directory = pushPlace(undefined, '.').top;
    const path = join(directory, projectFileName);
    const detected = detect(directory, context.messages.remark);
    write(path, textOf(detected));
    await print(context.terminal, `${path}\n`);
    const [job] = detected.flatMap(({ jobs }) => Object.keys(jobs));
    const isHere =
      (await context.backends.configOf(await context.backends.defaultName()))?.kind === 'local';
    const place = isHere && !context.backends.isGiven ? '--backend local ' : '';
    const next =
      job === undefined ? 'it has no jobs yet: write some' : `try: gomote job ${place}${job}`;
    context.messages.remark(next);
  });
}

/** Never replaces an existing file or link. */
function write(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o644 });
  } catch (error) {
    const code = errnoOf(error) ?? String(error);
    const isThere = code === 'EEXIST';
    throw new GomoteError(
      'ERR_LOCAL_FILE',
      isThere ? `${path} is there already` : `cannot write ${path}: ${errnoText(code)}`,
      { hint: isThere ? 'change it, or remove it first' : 'check its directory', cause: error },
    );
  }
}

function textOf(detected: readonly Detected[]): string {
  const exclude = [...new Set(detected.flatMap((one) => one.exclude))];
  const list = exclude.map((pattern) => JSON.stringify(pattern)).join(', ');
  const lines = [
    '# How gomote runs this project on other machines: see docs/project-file.md of gomote.',
    '# type = "linux-amd64"',
    exclude.length === 0 ? '# exclude = ["*.o"]' : `exclude = [${list}]`,
    '# artifacts = ["reports/*.xml"]',
    '# keep = "failure"',
  ];
  for (const { from, jobs } of detected) {
    for (const [name, line] of Object.entries(jobs)) {
      lines.push('', `# From ${from}.`, `[jobs.${name}]`, `run = ${JSON.stringify(line)}`);
    }
  }
  if (detected.every(({ jobs }) => Object.keys(jobs).length === 0)) {
    lines.push('', '# [jobs.test]', '# run = "./test.sh"');
  }
  return `${lines.join('\n')}\n`;
}
