// Setup scripts for new buildlets, given by an option or by the project file.
import { normalize } from 'node:path';
import type { Setup } from '../backends/setup.ts';
import { GomoteError } from '../errors.ts';
import { pushPlace } from '../gomote/push-place.ts';
import { setupFromOptions, setupIn } from '../gomote/setup.ts';
import { type Project, readInProject } from './project/find-project.ts';
import type { ProjectSettings } from './project/project-schema.ts';
import type { Terminal } from './terminal/terminal.ts';

const inputLimitBytes = 1 << 20;

/** The maximum size of a file that a project's script needs, in bytes. */
const fileLimitBytes = 64 << 20;

export function checkSetupFiles(setup: string | undefined, [file]: readonly string[]): void {
  if (setup !== undefined || file === undefined) return;
  throw new GomoteError('ERR_USAGE', `--setup-file ${file}: there is no --setup`, {
    hint: 'give --setup FILE',
  });
}

/** The script of `--setup`, `-` for standard input, and the files of `--setup-file`. */
export async function setupFromFlags(
  script: string,
  files: readonly string[],
  { stdin }: Pick<Terminal, 'stdin'>,
): Promise<Setup> {
  if (script !== '-') return setupFromOptions(script, files);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    bytes += chunk.length;
    if (bytes <= inputLimitBytes) chunks.push(chunk);
  }
  if (bytes === 0) {
    throw new GomoteError('ERR_USAGE', '--setup -: there is no script on standard input', {
      hint: 'check what writes it, or give --setup FILE',
    });
  }
  if (bytes <= inputLimitBytes) return setupFromOptions(Buffer.concat(chunks), files);
  throw new GomoteError('ERR_USAGE', `--setup -: the script is ${bytes} bytes long`, {
    hint: 'give one of at most 1 MiB',
  });
}

/** The script of the project file. Its files go where the tree goes. Throws ERR_CONFIG. */
export function projectSetup(
  { path, directory }: Pick<Project, 'path' | 'directory'>,
  settings: ProjectSettings,
): Setup | undefined {
  const { setup, 'setup-files': files, 'keep-setup': isKept, dest } = settings;
  if (setup === undefined) return undefined;
  const read = (name: string) => {
    const [key, limit] =
      name === normalize(setup) ? ['setup', inputLimitBytes] : ['setup-files', fileLimitBytes];
    return readInProject(directory, name, `${path}: ${key}: ${name}`, limit);
  };
  return setupIn(directory, { script: setup, files, isKept }, read, pushPlace(directory, dest).dir);
}
