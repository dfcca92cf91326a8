// Connects to a buildlet in its container: by its socket in the volume, else by a process of the engine's in the container
// that copies between its standard streams and that socket.
import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import { GomoteError, isStatus } from '../../errors.ts';
import type { Engine } from './engine.ts';
import { ExecStream } from './exec-stream.ts';
import { openNear } from './near-socket.ts';
import { dialProgram, volumeDirectory } from './paths.ts';
import { refusalOf } from './refusal.ts';

/** Where a buildlet listens. */
export interface BuildletPlace {
  /** Its container. */
  readonly id: string;
  /** The socket's path there. */
  readonly socket: string;
  /** The directory on the engine's machine that the socket's volume is, as the engine says. */
  readonly volume: string | undefined;
}

/** A mount of a container, as reported by the engine. */
export const mount = v.object({
  Type: v.optional(v.string()),
  Source: v.optional(v.string()),
  Destination: v.optional(v.string()),
});

/** The directory on the engine's machine that the volume with the socket is. */
export const volumeOf = (
  mounts: readonly v.InferOutput<typeof mount>[] | null | undefined,
): string | undefined =>
  mounts?.find(({ Type, Destination }) => Type === 'volume' && Destination === volumeDirectory)
    ?.Source;

export async function dialBuildlet(engine: Engine, place: BuildletPlace): Promise<Duplex> {
  const { id, socket, volume } = place;
  if (engine.location.kind === 'unix' && volume !== undefined) {
    const near = await openNear(volume, socket);
    if (near !== undefined) return near;
  }
  const json = {
    ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false },
    Cmd: [dialProgram, socket],
  };
  try {
    const exec = await engine.make({ path: `/containers/${id}/exec`, json });
    const hijacked = await engine.hijack({
      path: `/exec/${exec}/start`,
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
