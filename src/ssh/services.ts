// The services behind an SSH connection.
import type { Duplex } from 'node:stream';
import type { SocketTarget } from '../protocol/forward.ts';
import type { TerminalRequest } from '../protocol/session.ts';
import type { Channel } from './channel.ts';

/** The command that the client requests. */
export type WantedCommand =
  | { readonly kind: 'shell' }
  | { readonly kind: 'exec'; readonly line: string }
  | { readonly kind: 'subsystem'; readonly name: string };

/** A requested command, with the channel of its input and output. */
export interface SshCommand {
  readonly wanted: WantedCommand;
  readonly channel: Channel;
  /** As `KEY=VALUE`. */
  readonly env: readonly string[];
  readonly tty: TerminalRequest | undefined;
  /** Connects to the client's agent; absent when agent forwarding was not requested. */
  readonly openAgent: (() => Promise<Duplex>) | undefined;
  /** Called with signals from the client, such as `SIGINT`. */
  onSignal: (name: string) => void;
  /** Called when nobody reads the output any more. */
  onUnread: () => void;
  /** Called when the terminal is resized. */
  onResize: (columns: number, rows: number) => void;
  /** Reports the exit status and closes the channel after all output; undefined: the outcome is unknown. */
  end(how: number | { readonly signal: string; readonly message: string } | undefined): void;
}

/** Listens for connections on behalf of the client. */
export interface SshListener {
  readonly at: SocketTarget;
  close(): void;
}

/** Handles the requests of the client. */
export interface SshServices {
  /** Whether the subsystem exists. */
  hasSubsystem(name: string): boolean;
  run(command: SshCommand): void;
  connect(target: SocketTarget): Promise<Duplex>;
  /** Listens at the address; `onConnection` is called with each connection. */
  listen(target: SocketTarget, onConnection: (stream: Duplex) => void): Promise<SshListener>;
}
