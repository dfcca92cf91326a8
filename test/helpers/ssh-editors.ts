// What editors and tools that keep trees alike do over ssh, played with the ssh of the system.
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { freePort } from './free-port.ts';
import { sent } from './ports.ts';
import { until } from './processes.ts';
import { ending } from './programs.ts';
import type { SshWorkshop } from './ssh.ts';

/** Sends back what comes, at a port of localhost or at its argument, and writes the port into the file `port` beside it. */
const serverScript = `
  const server = require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(process.argv[2] ?? { port: 0, host: '127.0.0.1' }, () => {
    const { port = 'socket' } = server.address();
    require('node:fs').writeFileSync(__dirname + '/port', port + '\\n');
  });`;

/** Starts the server once, as the scripts of editors do: in the background, and found again by its process id. */
const startServer = `
  echo "4f1: running"
  d=$HOME/.editor-server
  mkdir -p "$d"
  if ! kill -0 "$(cat "$d/pid" 2>/dev/null)" 2>/dev/null; then
    rm -f "$d/port"
    cat >"$d/server.cjs" <<'END'
${serverScript}
END
    nohup node "$d/server.cjs" >"$d/log" 2>&1 </dev/null &
    echo $! >"$d/pid"
    echo started
  fi
  until [ -s "$d/port" ]; do kill -0 "$(cat "$d/pid")" || exit; sleep 0.1; done
  echo "listeningOn==$(cat "$d/port")=="
  echo "4f1: end"
`;

/**
 * As VS Code: a script on the standard input of a shell starts a server, and all else goes through dynamic forwards of that
 * connection, which stays open. Afterwards it is lost, and made again.
 */
export async function useAsCode({ startSsh, ssh, host }: SshWorkshop): Promise<void> {
  for (let window = 0; window < 2; window++) {
    const port = await freePort();
    const client = startSsh(['-T', '-D', String(port), '-o', 'ConnectTimeout=15', host, 'sh'], {
      stdio: 'pipe',
    });
    const errors = text(client.stderr!);
    // Its standard input stays open, and so does the shell there.
    client.stdin?.write(startServer);
    const said = await saidBy(client, '4f1: end\n');
    expect(said).toMatch(/running\nstarted\nlisteningOn==\d+==/);
    const target = Number(/==(\d+)==/.exec(said)?.[1]);
    await Promise.all(Array.from({ length: 20 }, () => echoedThrough(port, target)));
    client.kill('SIGKILL');
    expect(await errors).toBe('');
    // What the connection has started ends with it.
    const isRunning = 'kill -0 "$(cat ~/.editor-server/pid)"';
    await until(async () => (await ssh(host, isRunning)).code === 1);
  }
}

/** As Mutagen: its agent is copied, moves itself into the home directory, and is started there, to talk for long. */
export async function useAsMutagen(shop: SshWorkshop): Promise<void> {
  const { directory, config, host, run, ssh, startSsh } = shop;
  const place = '.mutagen/agents/0.18.1';
  const agent = `${place}/mutagen-agent`;
  const times = ['-oConnectTimeout=5', '-oServerAliveInterval=10', '-oServerAliveCountMax=1'];
  expect(await ssh(...times, host, `${agent} synchronizer`)).toMatchObject({ code: 127 });
  expect(await ssh(...times, host, 'uname -s -m')).toMatchObject({ code: 0 });
  const script =
    'case $1 in\n' +
    `install) mkdir -p "$HOME/${place}" && mv "$0" "$HOME/${agent}";;\n` +
    "synchronizer) printf '\\005\\027\\207'; exec cat;;\n" +
    'esac\n';
  writeFileSync(join(directory, 'mutagen-agent'), `#!/bin/sh\n${script}`, { mode: 0o755 });
  const copy = '.mutagen-agent3f0e9b52';
  const copied = await run('scp', '-F', config, '-C', ...times, 'mutagen-agent', `${host}:${copy}`);
  expect(copied).toMatchObject({ code: 0 });
  expect(await ssh(...times, host, `./${copy} install`)).toMatchObject({ code: 0 });
  const often = ['-oServerAliveInterval=1', '-oServerAliveCountMax=3', '-vvv'];
  const client = startSsh([...often, host, `${agent} synchronizer --log-level=info`], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let log = '';
  client.stderr?.setEncoding('latin1').on('data', (chunk) => {
    log += chunk;
  });
  expect(await bytesOf(client.stdout, 3)).toEqual(Buffer.from([0o5, 0o27, 0o207]));
  const answers = () => log.split('receive packet: type 82').length;
  for (let message = 0; message < 3; message++) {
    const bytes = randomBytes(1 << 20);
    client.stdin?.write(bytes);
    expect((await bytesOf(client.stdout, bytes.length)).equals(bytes)).toBe(true);
    // Between two messages nothing but questions whether the other end is alive.
    const before = answers();
    await until(() => answers() > before);
  }
  client.stdin?.end();
  expect(await once(client, 'exit')).toEqual([0, null]);
}

/**
 * As JetBrains: one connection, over which come commands, sftp, and, while it is open, forwards to a port and to a socket of
 * a file.
 */
export async function useAsJetBrains(shop: SshWorkshop): Promise<void> {
  const { directory, config, host, ssh, startSsh, run } = shop;
  const control = ['-o', `ControlPath=${join(directory, 'control')}`];
  startSsh([...control, '-M', '-N', '-T', host], { stdio: ['ignore', 2, 2] });
  await until(() => existsSync(join(directory, 'control')));
  const home = (await ssh(...control, host, 'echo "$HOME"')).stdout.toString().trim();
  const place = `${home}/.cache/RemoteDev`;
  writeFileSync(join(directory, 'server.cjs'), serverScript);
  writeFileSync(join(directory, 'batch'), `put server.cjs "${place}/server.cjs"\nls "${place}"\n`);
  expect(await ssh(...control, host, `mkdir -p '${place}'`)).toMatchObject({ code: 0 });
  const put = await run('sftp', '-F', config, ...control, '-b', 'batch', host);
  expect(put).toMatchObject({ code: 0 });
  const near = join(directory, 'near');
  for (const socket of ['', `${place}/socket`]) {
    // Not that of the server before.
    await ssh(...control, host, `rm -f '${place}/port'`);
    const line = `cd '${place}' && exec node server.cjs ${socket}`;
    const server = startSsh([...control, host, line]);
    const ended = ending(server);
    let port = '';
    await until(async () => {
      port = (await ssh(...control, host, `cat '${place}/port'`)).stdout.toString().trim();
      return port !== '';
    });
    const here = socket === '' ? await freePort() : near;
    const way = `${here}:${socket || `127.0.0.1:${port}`}`;
    expect(await ssh(...control, '-O', 'forward', '-L', way, host)).toMatchObject({ code: 0 });
    expect(await sent(here, 'there and back')).toBe('there and back');
    expect(await ssh(...control, '-O', 'cancel', '-L', way, host)).toMatchObject({ code: 0 });
    server.kill('SIGKILL');
    await ended;
  }
  expect(await ssh(...control, '-O', 'exit', host)).toMatchObject({ code: 0 });
}

/** What the program prints until that text. */
async function saidBy(program: ChildProcess, last: string): Promise<string> {
  let said = '';
  for await (const chunk of program.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    said += chunk;
    if (said.endsWith(last)) return said;
  }
  throw new Error(`it ended before it printed ${last}: ${said}`);
}

/** That many bytes of the stream. */
async function bytesOf(stream: ChildProcess['stdout'] | Socket, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream?.iterator({ destroyOnReturn: false }) ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= size) break;
  }
  return Buffer.concat(chunks);
}

/** A connection to a port there by SOCKS 5, which must give back what it is sent. */
async function echoedThrough(proxyPort: number, target: number): Promise<void> {
  const socket = connect({ port: proxyPort, host: '127.0.0.1' });
  socket.write(Buffer.from([5, 1, 0]));
  expect(await bytesOf(socket, 2)).toEqual(Buffer.from([5, 0]));
  const name = Buffer.from('localhost');
  socket.write(Buffer.from([5, 1, 0, 3, name.length, ...name, target >> 8, target & 0xff]));
  expect(await bytesOf(socket, 10)).toEqual(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
  const bytes = randomBytes(200_000);
  socket.write(bytes);
  expect((await bytesOf(socket, bytes.length)).equals(bytes)).toBe(true);
  socket.destroy();
}
