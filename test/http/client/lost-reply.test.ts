// A server that answers in the middle of a request and closes at once: its answer is read, wherever the server is.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../../src/client/buildlet-client.ts';
import { newKeyPair } from '../../../src/client/key-pair.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

/** A process of its own: in this one the server could not close while the client writes. */
const program = `
  const [transport, path, cert, key] = process.argv.slice(1);
  const answer = (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      const head = 'HTTP/1.1 413 Payload Too Large\\r\\nContent-Length: 8\\r\\nConnection: close\\r\\n\\r\\n';
      socket.write(head + 'too much', () => socket.destroy());
    });
  };
  const server = transport === 'TLS'
    ? require('node:tls').createServer({ cert, key }, answer)
    : require('node:net').createServer(answer);
  const where = transport === 'a unix socket' ? { path } : { host: '127.0.0.1', port: 0 };
  server.listen(where, () => process.send(server.address().port ?? path));
  process.on('disconnect', () => process.exit());
`;

async function started(child: ChildProcess): Promise<string> {
  onTestFinished(() => void child.kill());
  const [place] = await once(child, 'message');
  return typeof place === 'number' ? `127.0.0.1:${place}` : `unix:${place}`;
}

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < 200; n++) yield Buffer.alloc(1 << 16);
}

describe.each(['a unix socket', 'TCP', 'TLS'])('over %s', (transport) => {
  it('a request that is refused in its middle fails with the reply', async () => {
    const pair = transport === 'TLS' ? await newKeyPair() : undefined;
    const path = join(temporaryDirectory(), 'socket');
    const args = ['-e', program, transport, path, pair?.certPem ?? '', pair?.keyPem ?? ''];
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    const address = await started(spawn(process.execPath, args, { stdio: [...stdio] }));
    for (let n = 0; n < 10; n++) {
      const client = new BuildletClient(address, pair);
      for (const call of [
        () => client.put(pieces(), 'f', 0o644),
        () => client.putTar(pieces(), 'd'),
        () => client.put(Buffer.alloc(8 << 20), 'f', 0o644),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'ERR_STATUS', status: 413 });
      }
      await client.disconnect();
    }
  });
});
