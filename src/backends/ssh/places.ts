// Where sockets of connections to hosts are on this machine.
import { join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';
import { existingDirectory, userDirectory } from '../../files/user-directories.ts';
import { socketPathLimitBytes } from '../../http/server/listen.ts';

/** The longest name in it, with ssh's temporary suffix, in bytes. */
const nameBytes = 32;

/** A private directory, created if missing. Throws ERR_CONFIG when that is not possible. */
export function socketDirectory(environment: NodeJS.ProcessEnv): string {
  const path = pathOf(environment);
  if (Buffer.byteLength(path) + nameBytes > socketPathLimitBytes) {
    throw new GomoteError('ERR_CONFIG', `the path ${path} is too long for sockets`, {
      hint: 'set XDG_RUNTIME_DIR to a directory of yours with a shorter path',
    });
  }
  makePrivateDirectory(path, 'the directory of connections', 'set XDG_RUNTIME_DIR');
  return path;
}

function pathOf(environment: NodeJS.ProcessEnv): string {
  if (environment.XDG_RUNTIME_DIR) {
    const runtime = userDirectory(environment, 'XDG_RUNTIME_DIR');
    return join(existingDirectory('XDG_RUNTIME_DIR', runtime), 'gomote-ssh');
  }
  return join(userDirectory(environment, 'XDG_CACHE_HOME', '.cache'), 'gomote', 'ssh');
}
