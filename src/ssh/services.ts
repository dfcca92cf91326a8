// What an SSH connection leads to.
import type { Duplex } from 'node:stream';
import type { SocketTarget } from '../protocol/forward.ts';
import type { TerminalRequest } from '../protocol/session.ts';
import type { Channel } from './channel.ts';

/** What the client wants to have run. */
export type WantedCommand =
  | { readonly kind: 'shell' }
  | { readonly kind: 'exec'; readonly line: string }
  | { readonly kind: 'subsystem'; readonly name: string };

/** A command that the client has asked for, with the channel of its input and outputs. */
export interface SshCommand {
  readonly wanted: WantedCommand;
  readonly channel: Channel;
  /** As `KEY=VALUE`. */
  readonly env: readonly string[];
  readonly tty: TerminalRequest | undefined;
  /** Connects to the agent of the client; absent when it was not asked for. */
  readonly openAgent: (() => Promise<Duplex>) | undefined;
  /** Called with the signals that the client sends, such as `SIGINT`. */
  onSignal: (name: string) => void;
  /** Called when nobody reads its output any more. */
  onUnread: () => void;
  /** Called when its terminal has another size. */
  onResize: (columns: number, rows: number) => void;
  /** Says how it ended, and closes the channel once all is sent; undefined: that is not known. */
  end(how: number | { readonly signal: string; readonly message: string } | undefined): void;
}

/** Sockets that take connections for the client. */
export interface SshListener {
  readonly at: SocketTarget;
  close(): void;
}

/** What becomes of what the client asks for. */
export interface SshServices {
  /** Whether there is a subsystem of that name. */
  hasSubsystem(name: string): boolean;
  run(command: SshCommand): void;
  connect(target: SocketTarget): Promise<Duplex>;
  /** Listens there; `onConnection` takes each connection that comes. */
  listen(target: SocketTarget, onConnection: (stream: Duplex) => void): Promise<SshListener>;
}
