import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listen } from '../../../src/http/server/listen.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

/** A server, and the mode that its socket has as soon as it is there. */
function watchedServer(path: string) {
  const server = createHttpServer();
  onTestFinished(() => void server.close());
  const modes: number[] = [];
  const original = server.listen.bind(server);
  server.listen = ((...args: Parameters<typeof server.listen>) => {
    const result = original(...args);
    modes.push(statSync(path).mode & 0o777);
    return result;
  }) as typeof server.listen;
  return { server, modes };
}

describe('a Unix socket', () => {
  it("is never open to others, and the process's umask stays", async () => {
    const path = join(temporaryDirectory(), 'socket');
    const { server, modes } = watchedServer(path);
    const umask = process.umask(0);
    try {
      expect(await listen(server, { kind: 'unix', path })).toBe(`unix:${path}`);
      expect(process.umask(0)).toBe(0);
    } finally {
      process.umask(umask);
    }
    expect(modes).toEqual([0o600]);
  });

  it('replaces a stale socket, and no other', async () => {
    const path = join(temporaryDirectory(), 'socket');
    const { server } = watchedServer(path);
    await listen(server, { kind: 'unix', path });
    const second = createHttpServer();
    await expect(listen(second, { kind: 'unix', path })).rejects.toMatchObject({
      code: 'ERR_CONNECT',
      message: expect.stringContaining('EADDRINUSE'),
    });
    expect(statSync(path).isSocket()).toBe(true);
  });

  it('does not replace a file', async () => {
    const path = join(temporaryDirectory(), 'socket');
    writeFileSync(path, 'kept');
    const server = createHttpServer();
    await expect(listen(server, { kind: 'unix', path })).rejects.toMatchObject({
      code: 'ERR_CONNECT',
    });
    expect(statSync(path).isFile()).toBe(true);
  });

  it('whose server has a full queue is not considered stale', async () => {
    const path = join(temporaryDirectory(), 'socket');
    const program = `require('net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
      require('fs').writeSync(1, 'ready');
      process.kill(process.pid, 'SIGSTOP');
    })`;
    const child = spawn(process.execPath, ['-e', program, path], { stdio: ['ignore', 'pipe', 2] });
    onTestFinished(() => void child.kill('SIGKILL'));
    if (child.stdout === null) throw new Error('no standard output');
    await once(child.stdout, 'data');
    const refused = await new Promise((resolve) => {
      const next = () => {
        const socket = connect(path, next).once('error', resolve);
        onTestFinished(() => void socket.destroy());
      };
      next();
    });
    expect(refused).toMatchObject({ code: 'EAGAIN' });
    const server = createHttpServer();
    await expect(listen(server, { kind: 'unix', path })).rejects.toMatchObject({
      code: 'ERR_CONNECT',
    });
    expect(statSync(path).isSocket()).toBe(true);
  });
});
