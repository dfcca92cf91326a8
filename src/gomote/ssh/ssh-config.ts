// Prints the OpenSSH configuration for buildlets, writes it into our own file, and removes it.
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { ifThere } from '../../files/if-there.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { homeDirectory } from '../../files/user-directories.ts';
import { nodeCommand } from '../../node-command.ts';
import { packageRoot } from '../../package-root.ts';
import type { Backends } from '../backends.ts';
import { blocksIn, fileOf, hostBlock, type SshHost } from './host-entries.ts';
import { addInclude, hasInclude, includeLine, removeInclude } from './include.ts';
import { makeKeys, sshFiles } from './state.ts';

/** Options that are fixed in the entries, so that a desktop program finds the same buildlets. */
const pinned = ['GOMOTE_CONFIG_DIR', 'XDG_CONFIG_HOME', 'XDG_STATE_HOME'];

/** The entries of these buildlets, by name. Creates the keys for them. */
export async function hostBlocks(
  backends: Backends,
  hosts: readonly SshHost[],
): Promise<Map<string, string>> {
  const files = sshFiles(backends.settings.environment);
  await makeKeys(files);
  const way = { files, command: proxyCommand(backends), platform: process.platform };
  return new Map(hosts.map((host) => [host.name, hostBlock(host, way)]));
}

/** The command that starts this gomote with options that find the same buildlets. */
function proxyCommand({ settings }: Backends): string[] {
  const { environment, user, passwordFile } = settings;
  const { file, args } = nodeCommand();
  const variables = pinned.flatMap((name) => {
    const value = environment[name];
    return value ? [`${name}=${value}`] : [];
  });
  return [
    ...(variables.length > 0 && process.platform !== 'win32' ? ['env', ...variables] : []),
    ...[file, ...args, join(packageRoot, 'bin', 'gomote.js'), 'ssh-proxy'],
    ...(user === undefined ? [] : ['--user', user]),
    ...(passwordFile === undefined ? [] : ['--password-file', passwordFile]),
  ];
}

interface WrittenConfig {
  readonly file: string;
  readonly sshConfig: string;
  /** The line that it must have. */
  readonly line: string;
  /** Whether the line was added, existed before, or was not added. */
  readonly include: 'added' | 'there' | 'left';
}

/**
 * Writes the entries into our own file, with the existing ones if `keep` is set, and includes it in the user's
 * configuration. Does not write anything that ssh rejects.
 */
export async function writeSshConfig(
  backends: Backends,
  blocks: ReadonlyMap<string, string>,
  { keep, sshConfig: given }: { readonly keep: boolean; readonly sshConfig?: string | undefined },
): Promise<WrittenConfig> {
  const { environment } = backends.settings;
  const { config: file } = sshFiles(environment);
  const all = new Map([
    ...(keep ? blocksIn(ifThere(() => readOwnFile(file)) ?? '') : []),
    ...blocks,
  ]);
  const text = fileOf(all.values());
  await checkBySsh(file, text);
  replaceFile(file, text);
  const line = includeLine(file);
  const sshConfig = given ?? usualConfig(environment);
  if (hasInclude(sshConfig, line)) return { file, sshConfig, line, include: 'there' };
  if (given === undefined && !isReadBySsh(environment)) {
    return { file, sshConfig: join(userInfo().homedir, '.ssh', 'config'), line, include: 'left' };
  }
  addInclude(sshConfig, line);
  return { file, sshConfig, line, include: 'added' };
}

/** Removes everything that was written, also the keys. Returns what was removed. */
export function removeSshConfig(
  { settings: { environment } }: Backends,
  given: string | undefined,
): string[] {
  const { config, directory } = sshFiles(environment);
  const sshConfig = given ?? usualConfig(environment);
  const hadLine = removeInclude(sshConfig, includeLine(config));
  rmSync(directory, { recursive: true, force: true });
  return [...(hadLine ? [`the line in ${sshConfig}`] : []), directory];
}

const usualConfig = (environment: NodeJS.ProcessEnv): string =>
  join(homeDirectory(environment), '.ssh', 'config');

/** ssh takes the home directory from the system, not from HOME. */
const isReadBySsh = (environment: NodeJS.ProcessEnv): boolean =>
  homeDirectory(environment) === userInfo().homedir;

/** Checks the text with ssh, if installed, before it is written. */
async function checkBySsh(file: string, text: string): Promise<void> {
  const tried = `${file}.tried`;
  replaceFile(tried, text);
  try {
    await promisify(execFile)('ssh', ['-G', '-F', tried, 'gomote']);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw new GomoteError('ERR_CONFIG', `ssh cannot read the entries: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    rmSync(tried, { force: true });
  }
}
