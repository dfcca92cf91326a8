// Connects to a buildlet's socket in its volume, where that is a directory which this user may enter on this machine.
import type { Duplex } from 'node:stream';
import { openDirectory, withSocket } from '../../files/open-directory.ts';
import { openSocket } from '../../http/client/open-socket.ts';
import { volumeDirectory } from './paths.ts';

/**
 * A connection; undefined when the volume is on another machine, or closed to this user. The container can write that
 * directory: a link in it is not followed, which could lead to any socket of this machine.
 *
 * @param volume The directory that the engine gives for the volume at `volumeDirectory`.
 * @param socket The socket's path in the container.
 */
export async function openNear(volume: string, socket: string): Promise<Duplex | undefined> {
  const prefix = `${volumeDirectory}/`;
  if (!socket.startsWith(prefix)) return undefined;
  const names = socket.slice(prefix.length).split('/');
  if (names.includes('..')) return undefined;
  const name = names.pop() ?? '';
  try {
    let directory = openDirectory(volume);
    try {
      for (const one of names) {
        const child = directory.child(one);
        directory.close();
        directory = child;
      }
      return await withSocket(directory, name, (path) => openSocket({ kind: 'unix', path }));
    } finally {
      directory.close();
    }
  } catch {
    // The engine's own way is left, which also knows the reason.
    return undefined;
  }
}
