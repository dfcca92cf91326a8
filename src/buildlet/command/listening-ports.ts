// Finds the TCP ports that commands listen at, from Linux's /proc.
import { open, readdir, readlink } from 'node:fs/promises';
import { portLimit } from '../../protocol/forward.ts';
import { markedProcesses } from './process-sweep.ts';

/** The state of a socket that listens, in the tables. */
const listenState = '0A';

/** The addresses that `localhost` may reach: any, and loopback. The tables have words in native byte order. */
const reached = new Set([
  '00000000',
  '0100007F',
  '7F000001',
  '0'.repeat(32),
  '00000000000000000000000001000000',
  '00000000000000000000000000000001',
  '0000000000000000FFFF00000100007F',
  '00000000000000000000FFFF7F000001',
]);

/**
 * The sorted ports of processes whose mark begins with this; ports in other network namespaces cannot be
 * reached and are omitted. Empty where there is no /proc.
 */
export async function listeningPorts(markPrefix: string): Promise<number[]> {
  const portOfSocket = new Map([...(await table('tcp')), ...(await table('tcp6'))]);
  if (portOfSocket.size === 0) return [];
  const ports = new Set<number>();
  for (const pid of await markedProcesses(markPrefix)) {
    const directory = `/proc/${pid}/fd`;
    // A process may end meanwhile, and a descriptor may be closed.
    for (const fd of await readdir(directory).catch(() => [])) {
      const target = await readlink(`${directory}/${fd}`).catch(() => '');
      const port = portOfSocket.get(/^socket:\[([0-9]+)\]$/.exec(target)?.[1] ?? '');
      if (port !== undefined) ports.add(port);
    }
  }
  return [...ports].sort((one, other) => one - other).slice(0, portLimit);
}

/** The listening sockets of the table that `localhost` may reach: ports by inode. */
async function table(name: 'tcp' | 'tcp6'): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  try {
    const file = await open(`/proc/self/net/${name}`);
    for await (const line of file.readLines()) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/ +/);
      const [address = '', port = ''] = local.split(':');
      if (state === listenState && reached.has(address))
        found.set(inode, Number.parseInt(port, 16));
    }
  } catch {
    // No such table: a system without /proc, or without IPv6.
  }
  return found;
}
