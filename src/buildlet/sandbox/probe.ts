// Checks whether commands can be confined on this machine, without leaving anything.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { errnoOf } from '../../errors.ts';
import { lastLine, printable } from '../../printable.ts';

const run = promisify(execFile);

/** Why no sandbox can be created here, by that user if it is another; undefined when one can. */
export async function whyNoSandbox(
  environment: NodeJS.ProcessEnv,
  uid?: number,
): Promise<string | undefined> {
  const namespaces = ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts'];
  try {
    await run('bwrap', [...namespaces, '--ro-bind', '/', '/', '--proc', '/proc', 'true'], {
      env: { PATH: environment.PATH },
      ...(uid !== undefined && { uid, gid: uid, cwd: '/' }),
    });
    return undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'bwrap is not installed';
    const { stderr = '' } = error as { stderr?: string };
    return printable(lastLine(stderr) ?? String(error));
  }
}
