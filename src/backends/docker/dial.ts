// Connects to a buildlet by a process in its container that copies between its standard streams and the buildlet's socket.
import * as v from 'valibot';
import { GomoteError } from '../../errors.ts';
import type { Engine } from './engine.ts';
import { ExecStream } from './exec-stream.ts';
import { dialProgram } from './paths.ts';
import { isStatus, refusalOf } from './refusal.ts';

const execCreated = v.object({ Id: v.string() });

/** A connection to the buildlet's socket through a process in its container. */
export async function dialBuildlet(
  engine: Engine,
  id: string,
  socket: string,
): Promise<ExecStream> {
  const json = {
    ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false },
    Cmd: [dialProgram, socket],
  };
  try {
    const reply = await engine.json({ method: 'POST', path: `/containers/${id}/exec`, json });
    const { Id } = v.parse(execCreated, reply);
    const hijacked = await engine.hijack({
      path: `/exec/${Id}/start`,
      json: { Detach: false, Tty: false },
    });
    return new ExecStream(hijacked);
  } catch (error) {
    if (!isStatus(error, 404, 409))
      throw refusalOf('cannot enter the container', engine.url, error);
    throw new GomoteError('ERR_CONNECT', `its container does not run: ${error.text}`, {
      cause: error,
    });
  }
}
