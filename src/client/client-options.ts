// The options of buildlet clients and their calls.
import type { Dispatcher } from 'undici';
import type { GomoteError } from '../errors.ts';

/** The options of a call that can be cancelled. */
export interface CallOptions {
  /** Cancels the call, which then fails with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** The options of `BuildletClient`. */
export interface BuildletClientOptions {
  /** The buildlet's name in messages. Default: its address. */
  name?: string | undefined;
  /** The buildlet's name on the coordinator at the address. Default: the address is the buildlet's own. */
  remoteName?: string | undefined;
  /** Basic user name. Default `gomote`; a buildlet ignores it. */
  authUser?: string | undefined;
  /** A short description of the connection's origin, for people. Default: empty. */
  description?: string | undefined;
  /**
   * A directory on this machine that belongs to the buildlet, when that is a process of this user's here: then client
   * and buildlet name large content to each other instead of sending it, and the buildlet may name regular files of this
   * user's below the directory, and no others. Default: all content is sent.
   */
  sharedDirectory?: string | undefined;
  /**
   * Whether its commands were started unconfined on this machine, by this user: then its forwarded ports may be connected to
   * from here. Default false.
   */
  isUnconfinedHere?: boolean | undefined;
  /** An undici Dispatcher for requests; it is not destroyed. Default: the client's own connections. */
  dispatcher?: Dispatcher | undefined;
  /** `KEY=VALUE`, for every command, before those of its own request. Default: none. */
  env?: readonly string[] | undefined;
  /** The PATH of every command whose request has none, as in `ExecOptions`. Default: as the buildlet's. */
  path?: readonly string[] | undefined;
  /** The interval of heartbeats, in ms. Default 10,000, as in the protocol. 0 or Infinity: none. */
  heartbeatIntervalMs?: number | undefined;
  /** Called with a line for every answered request. */
  onRequest?: ((line: string) => void) | undefined;
  /**
   * Called while the buildlet does not answer: returns why it never will again, if that is known; must not reject. Then waiting
   * for it ends with that error.
   */
  diagnoseLoss?: (() => Promise<GomoteError | undefined>) | undefined;
  /** Releases what the connections go through, when the client is closed or disconnected. */
  onDisconnect?: (() => Promise<void>) | undefined;
}

/** A password in place of a key pair, for a buildlet without TLS or with a certificate from a CA. */
export interface PasswordCredentials {
  /** The buildlet's password, or on a coordinator the user's token. */
  readonly password: string;
}
