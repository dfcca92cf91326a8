// A server that answers every connection with the same raw bytes once a whole request has come.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface RawServer {
  /** `unix:PATH`, as clients take it. */
  readonly address: string;
  /** The requests that came, as text. */
  readonly requests: string[];
}

/** Answers with `response`, then ends the connection; with none, it cuts it. */
export async function serveRaw(response: Buffer | ((socket: Socket) => void)): Promise<RawServer> {
  const directory = mkdtempSync(join(tmpdir(), 'gomote-test-'));
  const path = join(directory, 'socket');
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let received = '';
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (!isWhole(received)) return;
      requests.push(received);
      received = '';
      if (typeof response === 'function') response(socket);
      else if (response.length === 0) socket.destroy();
      else socket.end(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { address: `unix:${path}`, requests };
}

function isWhole(request: string): boolean {
  const headEnd = request.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const head = request.slice(0, headEnd).toLowerCase();
  if (head.includes('transfer-encoding: chunked')) return request.endsWith('0\r\n\r\n');
  const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
  return request.length - headEnd - 4 >= length;
}
