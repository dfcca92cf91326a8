// Connects a stream to a port of a pod through the API server, like kubectl port-forward.
import { type Duplex, PassThrough, Writable } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node';
import { GomoteError } from '../../errors.ts';
import { PortForward } from './client-node.ts';

interface PodPort {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

/** How much may be buffered for a slow side, in bytes. */
const queueLimitBytes = 1 << 20;

/** The channel of the port's data; the next one has its errors. */
const dataChannel = Buffer.from([0]);

/** Copies in both directions, with backpressure, until one end closes. */
export async function forwardPort(
  config: KubeConfig,
  { namespace, name, port }: PodPort,
  stream: Duplex,
): Promise<void> {
  const down = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (stream.writable && !stream.write(chunk)) {
        socket?.pause();
        stream.once('drain', () => socket?.resume());
      }
      done();
    },
  });
  const refused = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      // The channel begins with nothing.
      if (chunk.length > 0) {
        stream.destroy(new GomoteError('ERR_CONNECT', `port-forward to ${name}: ${chunk}`));
      }
      done();
    },
  });
  const forward = new PortForward(config);
  // The library sends without backpressure: give it nothing to read.
  const nothing = new PassThrough();
  const opened = await forward.portForward(namespace, name, [port], down, refused, nothing);
  const socket = typeof opened === 'function' ? opened() : opened;
  if (socket === null) throw new GomoteError('ERR_CONNECT', `port-forward to ${name} was refused`);
  socket.on('close', () => stream.destroy());
  socket.on('error', (error: Error) => stream.destroy(error));
  stream.on('close', () => socket.close());
  stream.on('error', () => socket.close());
  stream.on('end', () => socket.close());
  stream.on('data', (chunk: Buffer) => {
    socket.send(Buffer.concat([dataChannel, chunk]), () => {
      if (stream.isPaused() && socket.bufferedAmount < queueLimitBytes) stream.resume();
    });
    if (socket.bufferedAmount >= queueLimitBytes) stream.pause();
  });
}
