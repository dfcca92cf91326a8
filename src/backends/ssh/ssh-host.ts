// One host: requests to the program there, and connections to its buildlets.
import { Duplex } from 'node:stream';
import * as v from 'valibot';
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { parseDestination } from './destination.ts';
import { type EnterCall, enter } from './install.ts';
import { SshLink } from './link.ts';
import { type HostReply, type HostRequest, keptLine, parseLine, replySchemas } from './messages.ts';
import { socketDirectory } from './places.ts';
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
