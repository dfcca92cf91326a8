// Clients of the buildlet in a pod: at the pod's own address, or through a port-forward.
import { createServer, type Socket } from 'node:net';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { type GomoteError, messageOf } from '../../errors.ts';
import type { ServerAddress } from '../../http/client/server-address.ts';
import type { RequestLog } from '../backend.ts';
import type { Cluster } from './cluster.ts';
import type { PodConnection } from './connections.ts';

interface PodClientOptions {
  readonly description: string;
  readonly onRequest: RequestLog;
  /** Why the pod's buildlet will never answer again. */
  readonly diagnoseLoss?: (() => Promise<GomoteError | undefined>) | undefined;
}

export function directClient(pod: PodConnection, options: PodClientOptions): BuildletClient {
  const host = pod.ip.includes(':') ? `[${pod.ip}]` : pod.ip;
  return clientAt(`${host}:${pod.port}`, pod, options);
}

/** Listens on a local port that is forwarded to the pod, until the client is disconnected. */
export async function forwardedClient(
  cluster: Cluster,
  pod: PodConnection,
  options: PodClientOptions,
): Promise<BuildletClient> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    cluster.forward(pod.name, pod.port, socket).catch((error) => {
      options.onRequest?.(`port-forward to ${pod.name}: ${messageOf(error)}`);
      socket.resetAndDestroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve).unref();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const onDisconnect = async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return clientAt(`127.0.0.1:${port}`, pod, options, onDisconnect);
}

function clientAt(
  hostPort: string,
  { name, password, certPem }: PodConnection,
  options: PodClientOptions,
  onDisconnect?: () => Promise<void>,
): BuildletClient {
  const scheme = certPem === undefined ? 'http' : 'https';
  const address: ServerAddress = {
    kind: 'tcp',
    origin: `${scheme}://${hostPort}`,
    pinnedCert: certPem,
  };
  return new BuildletClient(address, { password }, { ...options, name, onDisconnect });
}
