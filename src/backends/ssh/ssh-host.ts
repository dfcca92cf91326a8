// One host: requests to the program there, and connections to its buildlets.
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import * as v from 'valibot';
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';
import { existingDirectory, userDirectory } from '../../files/user-directories.ts';
import { socketPathLimitBytes } from '../../http/server/listen.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { parseDestination } from './destination.ts';
import { type EnterCall, enter } from './install.ts';
import { SshLink } from './link.ts';
import { type HostReply, type HostRequest, keptLine, parseLine, replySchemas } from './messages.ts';
import type { RemoteSession } from './remote-session.ts';

type Op = Exclude<HostRequest['op'], 'create' | 'dial'>;
type RequestOf<O extends Op> = HostRequest & { readonly op: O };

/** The time limit of a request, in ms. */
const requestMs = 120_000;

/** @param configFile An ssh configuration in place of the user's own. */
export function openHost(
  text: string,
  configFile: string | undefined,
  environment: NodeJS.ProcessEnv,
): SshHost {
  const destination = parseDestination(text);
  const directory = socketDirectory(environment);
  return new SshHost(new SshLink({ destination, configFile, directory, environment }));
}

export class SshHost {
  readonly link: SshLink;

  constructor(link: SshLink) {
    this.link = link;
  }

  /** As the user wrote it. */
  get text(): string {
    return this.link.destination.text;
  }

  async ask<O extends Op>(request: RequestOf<O>, call: EnterCall): Promise<HostReply<O>> {
    // Copying programs has no time limit.
    const session = await enter(this.link, call);
    try {
      const signal = anySignal(call.signal, timeoutSignal(requestMs));
      const reply = await this.#request(session, request, signal);
      const schema: v.GenericSchema = replySchemas[request.op];
      return v.parse(schema, reply) as HostReply<O>;
    } catch (error) {
      call.signal.throwIfAborted();
      throw this.#named(error);
    } finally {
      session.kill();
    }
  }

  /** Creates a buildlet. It is destroyed unless `use` succeeds before the connection is lost. */
  async create<T>(
    request: Extract<HostRequest, { op: 'create' }>,
    call: EnterCall,
    use: (made: HostReply<'create'>) => Promise<T>,
  ): Promise<T> {
    const session = await enter(this.link, call);
    try {
      const reply = await this.#request(session, request, call.signal);
      const result = await use(v.parse(replySchemas.create, reply));
      call.signal.throwIfAborted();
      session.stdin.write(`${keptLine}\n`);
      resultOf(await session.line(new AbortController().signal));
      return result;
    } catch (error) {
      // The program destroys an unconfirmed buildlet and exits.
      await session.end();
      call.signal.throwIfAborted();
      throw this.#named(error);
    } finally {
      session.kill();
    }
  }

  /** Connects to the buildlet by a process on the host. */
  async dialByProcess(name: string, signal: AbortSignal): Promise<Duplex> {
    const session = await enter(this.link, { signal });
    try {
      await this.#request(session, { op: 'dial', name }, signal);
    } catch (error) {
      session.kill();
      throw this.#named(error);
    }
    const stream = Duplex.from({ readable: session.stdout, writable: session.stdin });
    stream.on('error', () => undefined).once('close', () => session.kill());
    return stream;
  }

  async #request(
    session: RemoteSession,
    request: HostRequest,
    signal: AbortSignal,
  ): Promise<unknown> {
    session.stdin.write(`${JSON.stringify(request)}\n`);
    return resultOf(await session.line(signal));
  }

  /** Errors that do not name the host yet, and are not about the request itself. */
  #named(error: unknown): unknown {
    if (error instanceof v.ValiError || error instanceof SyntaxError) {
      return new GomoteError('ERR_REPLY', `${this.text}: a reply that cannot be read`, {
        hint: `see that nothing on ${this.text} writes to the output of ssh commands`,
        cause: error,
      });
    }
    if (!isGomoteError(error) || error.message.startsWith(`${this.text}: `)) return error;
    const message = `${this.text}: ${messageOf(error)}`;
    return new GomoteError(error.code, message, { hint: error.hint, cause: error });
  }
}

function resultOf(line: string): unknown {
  const reply = parseLine(line);
  if ('ok' in reply) return reply.ok;
  const { code, message, hint } = reply.error;
  throw new GomoteError(code, message, { hint });
}

/** The longest name in the directory of sockets, with ssh's temporary suffix, in bytes. */
const nameBytes = 32;

/** The private directory for sockets on this machine, created if missing. Throws ERR_CONFIG when that is not possible. */
function socketDirectory(environment: NodeJS.ProcessEnv): string {
  const path = pathOf(environment);
  if (Buffer.byteLength(path) + nameBytes > socketPathLimitBytes) {
    throw new GomoteError('ERR_CONFIG', `the path ${path} is too long for sockets`, {
      hint: 'set XDG_RUNTIME_DIR to a directory of yours with a shorter path',
    });
  }
  makePrivateDirectory(path, 'the directory of connections', 'set XDG_RUNTIME_DIR');
  return path;
}

function pathOf(environment: NodeJS.ProcessEnv): string {
  if (environment.XDG_RUNTIME_DIR) {
    const runtime = userDirectory(environment, 'XDG_RUNTIME_DIR');
    return join(existingDirectory('XDG_RUNTIME_DIR', runtime), 'gomote-ssh');
  }
  return join(userDirectory(environment, 'XDG_CACHE_HOME', '.cache'), 'gomote', 'ssh');
}
