// The connection to one host: a master of the user's ssh, started once and shared by later commands.
//
// Only the master reads the user's configuration, keys and known hosts, and prompts on the terminal. Later connections
// over it need neither.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { GomoteError, isErrno, messageOf } from '../../errors.ts';
import { withFileLock } from '../../files/file-lock.ts';
import { openSocket } from '../../http/client/open-socket.ts';
import { SharedCall } from '../../shared-call.ts';
import { type Destination, destinationArguments } from './destination.ts';
import { sshError } from './ssh-error.ts';

export interface LinkOptions {
  readonly destination: Destination;
  /** For `-F`; absent: the user's own. */
  readonly configFile: string | undefined;
  /** Private to this user; holds the sockets. */
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
}

export type RemoteProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** How long an unused master stays open, in seconds. */
const persistSeconds = 600;

/** How long to wait for the user to answer a prompt of another command's ssh, in ms. */
const promptMs = 10 * 60_000;

/** How long to wait for the error output of ssh, in ms: its children may keep it open. */
const lastWordsMs = 500;

const saidLimit = 16_384;

export class SshLink {
  readonly destination: Destination;
  readonly #options: LinkOptions;
  readonly #key: string;
  /** The socket of the master. */
  readonly control: string;
  readonly #opening: SharedCall<void>;

  constructor(options: LinkOptions) {
    this.destination = options.destination;
    this.#options = options;
    const { text } = options.destination;
    this.#key = digest([text, options.configFile, options.environment.HOME]);
    this.control = join(options.directory, `${this.#key}.c`);
    this.#opening = new SharedCall((signal) => this.#open(signal));
  }

  /** Makes sure that there is a master, with prompts if necessary. */
  async open(signal: AbortSignal): Promise<void> {
    await this.#opening.join(signal);
  }

  async #open(signal: AbortSignal): Promise<void> {
    if (await accepts(this.control)) return;
    const turn = { signal, patienceMs: promptMs };
    await withFileLock(
      this.control,
      async () => {
        if (await accepts(this.control)) return;
        await this.#removeSockets();
        await this.#start(signal);
      },
      turn,
    );
  }

  /** Removes the sockets of a master that has ended. */
  async #removeSockets(): Promise<void> {
    const { directory } = this.#options;
    for (const name of await readdir(directory)) {
      if (new RegExp(`^${this.#key}(\\.c|-[0-9a-f]+\\.s)$`).test(name)) {
        await rm(join(directory, name), { force: true });
      }
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { configFile, environment } = this.#options;
    const settings = {
      ControlMaster: 'yes',
      ControlPath: escaped(this.control),
      ControlPersist: String(persistSeconds),
      BatchMode: canAsk(environment) ? 'no' : 'yes',
      ConnectTimeout: '10',
      ServerAliveInterval: '5',
      ServerAliveCountMax: '3',
      StreamLocalBindUnlink: 'yes',
      StreamLocalBindMask: '0177',
      ClearAllForwardings: 'yes',
      ForwardAgent: 'no',
      ForwardX11: 'no',
      RemoteCommand: 'none',
      LogLevel: 'INFO',
    };
    const args = [
      ...(configFile === undefined ? [] : ['-F', configFile]),
      ...words(settings),
      ...['-f', '-N', '-T'],
      ...destinationArguments(this.destination),
    ];
    const child = spawn('ssh', args, { stdio: ['ignore', 'ignore', 'pipe'], env: environment });
    const said = collect(child.stderr);
    const abort = () => child.kill();
    signal.addEventListener('abort', abort, { once: true });
    try {
      // The started process exits once its child is the master.
      const [code] = await once(child, 'exit').catch((error: unknown) => {
        throw notStarted(error);
      });
      signal.throwIfAborted();
      if (code === 0) return;
      await Promise.race([once(child, 'close'), sleep(lastWordsMs)]);
      throw sshError(this.destination, said());
    } finally {
      signal.removeEventListener('abort', abort);
      child.stderr.destroy();
    }
  }

  /** Starts a command there, without the user's terminal: the caller copies its streams. */
  async start(command: string, signal: AbortSignal): Promise<RemoteProcess> {
    await this.open(signal);
    const args = [...this.#overMaster({ BatchMode: 'yes' }), '-T', '--', 'host', command];
    return spawn('ssh', args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: this.#options.environment,
      detached: true,
    });
  }

  /** Whether ssh can express the path of a socket that is to be forwarded. */
  canForward(remote: string): boolean {
    return /^[\w./@%+,=-]+$/.test(remote);
  }

  /** The local socket that is forwarded to a buildlet's socket after `forward`. */
  forwardedSocket(remote: string): string {
    return join(this.#options.directory, `${this.#key}-${digest([remote])}.s`);
  }

  /** Forwards the local socket to the remote one. Whether the server allows that shows at the first connection. */
  async forward(remote: string, signal: AbortSignal): Promise<void> {
    await this.open(signal);
    await this.#tell('forward', remote);
  }

  /** Undoes `forward`. */
  async unforward(remote: string): Promise<void> {
    if (await accepts(this.control)) await this.#tell('cancel', remote).catch(() => undefined);
    await rm(this.forwardedSocket(remote), { force: true });
  }

  async #tell(order: 'forward' | 'cancel', remote: string): Promise<void> {
    const sockets = `${escaped(this.forwardedSocket(remote))}:${escaped(remote)}`;
    const args = [...this.#overMaster({}), '-O', order, '-L', sockets, '--', 'host'];
    const stdio: ['ignore', 'ignore', 'pipe'] = ['ignore', 'ignore', 'pipe'];
    const child = spawn('ssh', args, { stdio, env: this.#options.environment, detached: true });
    const said = collect(child.stderr);
    const [code] = await once(child, 'close').catch((error: unknown) => {
      throw notStarted(error);
    });
    if (code !== 0) throw sshError(this.destination, said());
  }

  /** Options for commands over the master, which must not connect themselves when it has ended. */
  #overMaster(settings: Readonly<Record<string, string>>): string[] {
    const always = {
      ControlMaster: 'no',
      ControlPath: escaped(this.control),
      ProxyCommand: 'false',
    };
    return ['-F', 'none', ...words({ ...always, ...settings })];
  }
}

const words = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);

/** ssh replaces `%h` and the like in paths. */
const escaped = (path: string): string => path.replaceAll('%', '%%');

const digest = (parts: readonly (string | undefined)[]): string =>
  hash('sha256', JSON.stringify(parts)).slice(0, 10);

/** Whether somebody could answer a prompt of ssh. */
export function canAsk(environment: NodeJS.ProcessEnv): boolean {
  if (environment.GOMOTE_UNATTENDED) return false;
  if (environment.SSH_ASKPASS) return true;
  try {
    closeSync(openSync('/dev/tty', 'r+'));
    return true;
  } catch {
    return false;
  }
}

/** Whether something listens on the socket. */
async function accepts(path: string): Promise<boolean> {
  try {
    (await openSocket({ kind: 'unix', path })).destroy();
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED')) return false;
    throw error;
  }
}

/** Collects the end of a text stream. */
export function collect(stream: Readable): () => string {
  let said = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-saidLimit);
  });
  stream.on('error', () => undefined);
  return () => said;
}

const notStarted = (error: unknown): GomoteError =>
  new GomoteError('ERR_CONNECT', `cannot start ssh: ${messageOf(error)}`, {
    hint: 'install the OpenSSH client, or put it on PATH',
    cause: error,
  });
