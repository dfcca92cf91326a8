import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import {
  type EarlySocket,
  offerEarlySocket,
  takeEarlySocket,
} from '../../../src/http/client/early-socket.ts';
import { openSocket } from '../../../src/http/client/open-socket.ts';
import { projectRoot } from '../../helpers/programs.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const connectEarly: (args: readonly string[]) => EarlySocket | undefined = createRequire(
  import.meta.url,
)(join(projectRoot, 'bin/early.js'));

const name = 'ssh:me@box/me-ssh-0';

/** A buildlet's socket, and the directory with what is stored of it. */
async function forwarded() {
  const directory = temporaryDirectory();
  vi.stubEnv('XDG_CACHE_HOME', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
  const stored = join(directory, 'gomote/ssh-buildlets');
  mkdirSync(stored, { recursive: true });
  const path = join(directory, 'socket');
  const server = createServer().listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const store = (text: string) => writeFileSync(join(stored, encodeURIComponent(name)), text);
  store(JSON.stringify({ name, forwarded: path }));
  return { directory, stored, path, server, store };
}

const accepted = async (server: Server): Promise<Socket> => (await once(server, 'connection'))[0];

it('an early connection is the one that the program uses', async () => {
  const { path, server } = await forwarded();
  const accepting = accepted(server);
  const early = connectEarly(['run', '-e', 'A=a/b', name, '/bin/true', 'x/y']);
  const there = await accepting;
  offerEarlySocket(early);
  const here = await openSocket({ kind: 'unix', path });
  expect(here).toBe(early?.socket);
  here.end('once');
  expect(String((await once(there, 'data'))[0])).toBe('once');
  // The next connection is another one.
  const next = accepted(server);
  const other = await openSocket({ kind: 'unix', path });
  expect(other).not.toBe(here);
  other.destroy();
  (await next).destroy();
});

it('an early connection is not used for another socket, nor after the other end has closed it', async () => {
  const { path, server } = await forwarded();
  const accepting = accepted(server);
  const early = connectEarly(['run', name, 'true']);
  offerEarlySocket(early);
  expect(takeEarlySocket(`${path}-other`)).toBeUndefined();
  const closed = once(early!.socket.resume(), 'close');
  (await accepting).end();
  await closed;
  expect(takeEarlySocket(path)).toBeUndefined();
});

it('a socket on which nobody listens is left to the program', async () => {
  const { directory, store } = await forwarded();
  store(JSON.stringify({ name, forwarded: join(directory, 'gone') }));
  const early = connectEarly(['run', name, 'true']);
  await new Promise((resolve) => early!.socket.once('close', resolve));
  offerEarlySocket(early);
  await expect(openSocket({ kind: 'unix', path: early!.path })).rejects.toThrow('ENOENT');
});

it.each([
  ['no name', ['list']],
  ['an unknown name', ['run', 'box/other', 'true']],
  ['a name too long for a file', ['run', `box/${'x'.repeat(300)}`, 'true']],
  ['half a surrogate pair', ['run', 'box/\ud800', 'true']],
  ['a path out of the directory', ['run', '../../x', 'true']],
  ['a name far behind', ['run', 'sh', '1', '2', '3', '4', '5', '6', name]],
])('a line with %s makes no early connection', async (_what, args) => {
  await forwarded();
  expect(connectEarly(args)).toBeUndefined();
});

it.each(['', '{', 'null', '[]', '"text"', '{}', '{"forwarded":1}', '{"forwarded":""}'])(
  'a stored connection that reads %j makes no early connection',
  async (text) => {
    const { store } = await forwarded();
    store(text);
    expect(connectEarly(['run', name, 'true'])).toBeUndefined();
  },
);

it('a link, a directory or a FIFO in the place of a stored connection makes no early connection', async () => {
  const { stored } = await forwarded();
  symlinkSync(encodeURIComponent(name), join(stored, 'box%2Flink'));
  mkdirSync(join(stored, 'box%2Fdirectory'));
  execFileSync('mkfifo', [join(stored, 'box%2Ffifo')]);
  for (const odd of ['box/link', 'box/directory', 'box/fifo']) {
    expect(connectEarly(['run', odd, 'true'])).toBeUndefined();
  }
});
