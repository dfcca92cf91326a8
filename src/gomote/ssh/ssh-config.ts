// What OpenSSH is told of buildlets: printed, written into a file of our own, and taken away again.
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { homeDirectory } from '../../files/user-directories.ts';
import { nodeCommand } from '../../node-command.ts';
import { packageRoot } from '../../package-root.ts';
import type { Backends } from '../backends.ts';
import { blocksIn, fileOf, hostBlock, type SshHost } from './host-entries.ts';
import { addInclude, hasInclude, includeLine, removeInclude } from './include.ts';
import { makeKeys, sshFiles } from './state.ts';

/** What is pinned, so that a program of the desktop finds the same buildlets. */
const pinned = ['GOMOTE_CONFIG_DIR', 'XDG_CONFIG_HOME', 'XDG_STATE_HOME'];

/** The entries of these buildlets, by their names. The keys that they name are made. */
export async function hostBlocks(
  backends: Backends,
  hosts: readonly SshHost[],
): Promise<Map<string, string>> {
  const files = sshFiles(backends.settings.environment);
  await makeKeys(files);
  const way = { files, command: proxyCommand(backends), platform: process.platform };
  return new Map(hosts.map((host) => [host.name, hostBlock(host, way)]));
}

/** Starts this gomote again, with the options that find the same buildlets. */
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

/** What writing has done. */
export interface WrittenConfig {
  readonly file: string;
  /** The user's configuration of ssh. */
  readonly sshConfig: string;
  /** The line that it needs. */
  readonly line: string;
  /** Whether it has the line, had it before, or was left alone. */
  readonly include: 'added' | 'there' | 'left';
}

/**
 * Writes the entries into our own file, with those that are there already if `keep` says so, and names it in the user's
 * configuration. Nothing is written that ssh cannot read.
 */
export async function writeSshConfig(
  backends: Backends,
  blocks: ReadonlyMap<string, string>,
  { keep, sshConfig: given }: { readonly keep: boolean; readonly sshConfig?: string | undefined },
): Promise<WrittenConfig> {
  const { environment } = backends.settings;
  const { config: file } = sshFiles(environment);
  const all = new Map([...(keep ? blocksIn(readKept(file)) : []), ...blocks]);
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

/** Takes away all that was written, the keys with it. Gives what was removed. */
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

/** ssh knows the home directory from the system, whatever HOME says. */
const isReadBySsh = (environment: NodeJS.ProcessEnv): boolean =>
  homeDirectory(environment) === userInfo().homedir;

function readKept(file: string): string {
  try {
    return readOwnFile(file);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}

/** Lets ssh, where it is installed, read the text before anything depends on it. */
async function checkBySsh(file: string, text: string): Promise<void> {
  const tried = `${file}.tried`;
  replaceFile(tried, text);
  try {
    await promisify(execFile)('ssh', ['-G', '-F', tried, 'gomote']);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    const { stderr } = error as { stderr?: unknown };
    const why = typeof stderr === 'string' && stderr !== '' ? stderr.trim() : messageOf(error);
    throw new GomoteError('ERR_CONFIG', `ssh cannot read the entries: ${why}`, { cause: error });
  } finally {
    rmSync(tried, { force: true });
  }
}
