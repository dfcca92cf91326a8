// A `session` channel: the client's requests before a command starts and while it runs.
import type { Duplex, Writable } from 'node:stream';
import type { TerminalRequest } from '../protocol/session.ts';
import type { Channel } from './channel.ts';
import type { SshCommand, SshServices, WantedCommand } from './services.ts';
import type { Protocol } from './ssh2.ts';

interface Links {
  readonly protocol: Protocol;
  readonly services: SshServices;
  readonly openAgent: () => Promise<Duplex>;
}

/** The replacement character, in text that was decoded from invalid UTF-8. */
const replacement = '\ufffd';

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The maximum number of variables: they are kept until the command starts. */
const variableLimit = 1_000;

/** The maximum number of columns or rows. */
const sideLimit = 0xffff;

/** The signals that SSH has names for; others are reported in the message. */
const namedSignals = new Set(
  'ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2'.split(' '),
);

export class CommandChannel {
  readonly #channel: Channel;
  readonly #links: Links;
  readonly #env = new Map<string, string>();
  #tty: TerminalRequest | undefined;
  #hasAgent = false;
  #command: SshCommand | undefined;

  constructor(channel: Channel, links: Links) {
    this.#channel = channel;
    this.#links = links;
  }

  /** Handles a request; returns whether it is granted. */
  request(type: string, data: unknown): boolean {
    switch (type) {
      case 'env':
        return this.#setVariable(data as { name: string; value: string });
      case 'pty-req':
        return this.#setTerminal(data as { term: string; cols: number; rows: number });
      case 'auth-agent-req@openssh.com':
        if (this.#command !== undefined) return false;
        this.#hasAgent = true;
        return true;
      case 'window-change': {
        const size = sizeOf(data as { cols: number; rows: number });
        if (size !== undefined) this.#command?.onResize(size.columns, size.rows);
        return size !== undefined;
      }
      case 'signal':
        this.#command?.onSignal(`SIG${String(data)}`);
        return this.#command !== undefined;
      case 'eow@openssh.com':
        this.#command?.onUnread();
        return this.#command !== undefined;
      case 'shell':
      case 'exec':
        return this.#command === undefined;
      case 'subsystem':
        return this.#command === undefined && this.#links.services.hasSubsystem(String(data));
      default:
        return false;
    }
  }

  /** Starts the command of a granted request. */
  start(type: string, data: unknown): void {
    const wanted = wantedBy(type, data);
    if (wanted === undefined) return;
    const { services, openAgent } = this.#links;
    const command: SshCommand = {
      wanted,
      channel: this.#channel,
      env: [...this.#env].map(([name, value]) => `${name}=${value}`),
      tty: this.#tty,
      openAgent: this.#hasAgent ? openAgent : undefined,
      onSignal: () => undefined,
      onResize: () => undefined,
      onUnread: () => undefined,
      end: (how) => void this.#end(how),
    };
    this.#command = command;
    services.run(command);
  }

  #setVariable({ name, value }: { name: string; value: string }): boolean {
    const isGood = variableName.test(name) && !/\0/.test(value) && !value.includes(replacement);
    if (!isGood || this.#command !== undefined || this.#env.size >= variableLimit) return false;
    this.#env.set(name, value);
    return true;
  }

  #setTerminal({ term, ...given }: { term: string; cols: number; rows: number }): boolean {
    if (this.#command !== undefined) return false;
    const size = sizeOf(given) ?? { columns: 80, rows: 24 };
    this.#tty = { term: /^[\w.+-]{1,64}$/.test(term) ? term : 'dumb', ...size };
    return true;
  }

  async #end(how: Parameters<SshCommand['end']>[0]): Promise<void> {
    const channel = this.#channel;
    const { protocol } = this.#links;
    // Send all output before the exit status.
    await Promise.all([sent(channel), sent(channel.stderr)]);
    if (channel.isClosed) return;
    if (typeof how === 'number') protocol.exitStatus(channel.clientId, how);
    else if (how !== undefined) {
      const name = how.signal.replace(/^SIG/, '');
      const known = namedSignals.has(name);
      protocol.exitSignal(channel.clientId, known ? name : 'TERM', false, how.message);
    }
    channel.end(() => channel.destroy());
  }
}

/** Resolves when all data written to the stream has been sent, or never will be. */
const sent = (stream: Writable): Promise<void> =>
  new Promise((resolve) => {
    stream.once('close', resolve);
    if (stream.destroyed) resolve();
    else stream.write('', () => resolve());
  });

function wantedBy(type: string, data: unknown): WantedCommand | undefined {
  if (type === 'shell') return { kind: 'shell' };
  if (type === 'exec') return { kind: 'exec', line: String(data) };
  return type === 'subsystem' ? { kind: 'subsystem', name: String(data) } : undefined;
}

function sizeOf({ cols, rows }: { readonly cols: number; readonly rows: number }) {
  if (!(cols > 0 && rows > 0)) return undefined;
  return { columns: Math.min(cols, sideLimit), rows: Math.min(rows, sideLimit) };
}
