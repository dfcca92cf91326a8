// The SSH files of the user: two key pairs, created once, and the files for OpenSSH.
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomId } from '../../client/random-id.ts';
import { errnoOf, GomoteError } from '../../errors.ts';
import { ifThere } from '../../files/if-there.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { userDirectory } from '../../files/user-directories.ts';
import type { ParsedKey } from '../../ssh/ssh2.ts';

/** The name of the host key, the same for every buildlet. */
export const hostKeyAlias = 'gomote';

export interface SshFiles {
  readonly directory: string;
  readonly userKey: string;
  readonly hostKey: string;
  readonly knownHosts: string;
  /** The file with the entries of buildlets. */
  readonly config: string;
}

const what = 'the directory of ssh keys';

/** The paths of the files; creates the directory. Throws ERR_CONFIG when other users could change it. */
export function sshFiles(environment: NodeJS.ProcessEnv): SshFiles {
  const directory = join(
    userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state'),
    'gomote-ssh',
  );
  makePrivateDirectory(directory, what, 'set XDG_STATE_HOME');
  const keys = join(directory, 'keys');
  return {
    directory,
    userKey: join(keys, 'id_ed25519'),
    hostKey: join(keys, 'host_ed25519'),
    knownHosts: join(keys, 'known_hosts'),
    config: join(directory, 'config'),
  };
}

/** The keys of the server, created if missing. Throws ERR_CONFIG when they cannot be used. */
export async function serverKeys(
  environment: NodeJS.ProcessEnv,
): Promise<{ hostKey: ParsedKey; userKey: ParsedKey }> {
  const files = sshFiles(environment);
  await makeKeys(files);
  const { readKey } = await import('../../ssh/keys.ts');
  const [hostKey, userKey] = [files.hostKey, `${files.userKey}.pub`].map((path) => {
    const key = readKey(readOwnFile(path));
    if (key !== undefined) return key;
    throw new GomoteError('ERR_CONFIG', `${path} holds no key`, {
      hint: 'gomote ssh-config --remove, then --write again',
    });
  });
  if (hostKey === undefined || userKey === undefined) throw new Error('two keys are read');
  return { hostKey, userKey };
}

/** Creates missing keys: all appear at the same time, also when two processes create them. */
export async function makeKeys(files: SshFiles): Promise<void> {
  const keys = join(files.directory, 'keys');
  if (ifThere(() => readOwnFile(files.knownHosts))) return;
  const { makeKeys: generate } = await import('../../ssh/keys.ts');
  const [user, host] = [generate('gomote'), generate('gomote')];
  const partial = `${keys}.${randomId()}.new`;
  const contents = {
    id_ed25519: user.privateKey,
    'id_ed25519.pub': `${user.publicKey}\n`,
    host_ed25519: host.privateKey,
    known_hosts: `${hostKeyAlias} ${host.publicKey}\n`,
  };
  try {
    mkdirSync(partial, { mode: 0o700 });
    for (const [name, text] of Object.entries(contents)) {
      replaceFile(join(partial, name), text);
    }
    renameSync(partial, keys);
  } catch (error) {
    // Another process has created them meanwhile.
    if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
