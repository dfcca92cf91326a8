// Connections that read into memory used again: every byte once, whoever takes it, and however slowly.
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BulkSocket } from '../../../src/http/relay/bulk-socket.ts';

/** Connects to a server that does `serve` with each connection. */
async function connected(serve: (socket: Socket) => void): Promise<BulkSocket> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const made = await BulkSocket.connect({ host: '127.0.0.1', port });
  onTestFinished(() => void made.destroy());
  return made;
}

const content = randomBytes(5_000_000);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The content in frames of changing sizes. */
function frames(): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0, size = 1; at < content.length; at += size, size = (size * 7 + 3) % 150_001) {
    const piece = content.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

describe('a bulk socket', () => {
  it('behaves like any stream to its readers and writers', async () => {
    const echo = await connected((peer) => void peer.pipe(peer));
    echo.write(content.subarray(0, 1_000_000));
    let got = 0;
    for await (const chunk of echo) {
      expect(content.subarray(got, got + chunk.length).equals(chunk)).toBe(true);
      got += chunk.length;
      if (got === 1_000_000) break;
    }
  });

  it('gives everything that arrived before the other end closed, also to a slow reader', async () => {
    const socket = await connected((peer) => void peer.end(content));
    await turn();
    expect(sha256(await buffer(socket))).toBe(sha256(content));
  });

  it.each(['at once', 'late'])(
    'diverts a body, whose memory is free %s, and gives the rest',
    async (when) => {
      const socket = await connected((peer) => {
        peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        peer.write(frames());
        peer.end('0\r\nTrailer: yes\r\n\r\nnext');
      });
      const body: Buffer[] = [];
      let dataBytes = 0;
      socket.expectHead();
      const read: string[] = [];
      await new Promise<void>((resolve) => {
        socket.on('end', resolve).on('data', (chunk: Buffer) => {
          read.push(String(chunk));
          if (!read.join('').endsWith('\r\n\r\n') || dataBytes > 0) return;
          expect(
            socket.divert({
              pass: (piece, free) => {
                const take = () => body.push(Buffer.from(piece));
                if (when === 'at once') return take() > 0;
                setImmediate(() => {
                  take();
                  free();
                });
                return false;
              },
              end: (bytes) => {
                dataBytes = bytes;
              },
            }),
          ).toBe(true);
        });
      });
      await turn();
      expect(read.join('')).toBe(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: yes\r\n\r\nnext',
      );
      expect(dataBytes).toBe(content.length);
      expect(sha256(Buffer.concat(body))).toBe(sha256(frames()));
    },
  );

  it('diverts nothing once a part of the body has been read', async () => {
    const socket = await connected((peer) => void peer.end('HTTP/1.1 200 OK\r\n\r\nbody'));
    socket.expectHead();
    expect(String(await buffer(socket))).toBe('HTTP/1.1 200 OK\r\n\r\nbody');
    expect(socket.divert({ pass: () => true, end: () => undefined })).toBe(false);
  });

  it('fails when nothing listens there', async () => {
    await expect(BulkSocket.connect({ path: '/nowhere/at/all' })).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});
