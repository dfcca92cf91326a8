// A connection to an engine: by a unix socket, TCP, TLS, or ssh.
import { spawn } from 'node:child_process';
import { Duplex, PassThrough } from 'node:stream';
import { messageOf } from '../../errors.ts';
import { openSocket, openTcp } from '../../http/client/open-socket.ts';
import { lastLine } from '../../printable.ts';
import type { EngineLocation } from './location.ts';

/** The caller destroys the connection. */
export async function openEngine(location: EngineLocation, signal?: AbortSignal): Promise<Duplex> {
  switch (location.kind) {
    case 'unix':
      return await openSocket(location, signal);
    case 'tcp':
      return await openTcp({ origin: location.origin, ...location.trust }, signal);
    case 'ssh':
      return openSsh(location.args);
  }
}

/** ssh may prompt on the terminal: for a key's passphrase, or for an unknown host. */
function openSsh(args: readonly string[]): Duplex {
  const child = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const { stdin, stdout, stderr } = child;
  let said = '';
  stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-1_000);
  });
  // Why they end is known when ssh has ended, and not before.
  const [writable, readable] = [new PassThrough(), new PassThrough()];
  writable.pipe(stdin).on('error', () => undefined);
  stdout.pipe(readable, { end: false });
  const stream = Duplex.from({ readable, writable });
  stream.on('error', () => undefined);
  child.once('error', (error) => {
    stream.destroy(new Error(`cannot start ssh: ${messageOf(error)}`));
  });
  child.once('close', (code) => {
    if (code === 0) readable.end();
    else stream.destroy(new Error(lastLine(said) ?? `ssh ended with ${code}`));
  });
  stream.once('close', () => {
    child.kill();
    // ssh may miss a signal that comes right before it waits, but not the end of its input.
    stdin.destroy();
  });
  return stream;
}
