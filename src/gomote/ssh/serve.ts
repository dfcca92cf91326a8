// Serves a buildlet by SSH, over two byte streams: commands are runs on the buildlet, forwards are its ports.
import type { Readable, Writable } from 'node:stream';
import { GomoteError, messageAndHint, messageOf } from '../../errors.ts';
import { sessionFeature, sftpFeature } from '../../protocol/features.ts';
import type { SshServices } from '../../ssh/services.ts';
import type { Buildlet } from '../buildlet.ts';
import { runCommand } from './run-command.ts';
import { serverKeys } from './state.ts';

/** The options of {@link serveSsh}. */
interface ServeSshOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** Called with messages that SSH cannot transport to the client. */
  readonly onTrouble: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Serves one client until it disconnects or `signal` aborts; then ends its commands on the buildlet. Fails when the buildlet
 * cannot be reached at the beginning.
 */
export async function serveSsh(buildlet: Buildlet, options: ServeSshOptions): Promise<void> {
  const { input, output, onTrouble, signal } = options;
  const { client, name } = buildlet;
  // The first bytes from the client wait in the stream.
  input.pause();
  const [{ SshConnection }, keys, hasSessions, hasSftp] = await Promise.all([
    import('../../ssh/connection.ts'),
    serverKeys(buildlet.backends.settings.environment),
    client.has(sessionFeature, { signal }),
    client.has(sftpFeature, { signal }),
  ]);
  const over = new AbortController();
  const call = { signal: over.signal };
  const running = new Set<Promise<void>>();
  const services: SshServices = {
    hasSubsystem: (subsystem) => {
      if (subsystem === 'sftp' && hasSftp) return true;
      const reason =
        subsystem === 'sftp' ? ': it is of an older version, or of the Go project' : '';
      onTrouble(`${name} has no subsystem "${subsystem}"${reason}`);
      return false;
    },
    run: (command) => {
      const ran = runCommand(buildlet, command, { ...call, hasSessions });
      running.add(ran);
      void ran.then(() => running.delete(ran));
    },
    connect: (target) => buildlet.explained(() => client.ports.connect(target, call)),
    listen: async (target, onConnection) => {
      try {
        return await buildlet.explained(() => client.ports.listen(target, onConnection, call));
      } catch (error) {
        // The client gets no reason.
        onTrouble(messageAndHint(error));
        throw error;
      }
    },
  };
  const onFault = (error: Error) => onTrouble(`the ssh connection failed: ${messageOf(error)}`);
  const connection = new SshConnection({ input, output, ...keys, services, onFault });
  const leave = () => connection.close();
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  await connection.ended;
  signal.removeEventListener('abort', leave);
  over.abort(new GomoteError('ERR_ABORTED', 'the ssh client has left'));
  await Promise.all(running);
}
