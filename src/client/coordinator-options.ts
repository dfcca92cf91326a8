// The options of a coordinator's client.
import type { Dispatcher } from 'undici';
import type { ServerAddress } from '../http/client/server-address.ts';
import type { CallOptions } from './client-options.ts';

/** Who calls. */
export interface UserPass {
  /** With the prefix `user-`. */
  readonly username: string;
  /** The user's token. */
  readonly password: string;
}

/** The options of `CoordinatorClient`. */
export interface CoordinatorClientOptions {
  /** Who calls. */
  readonly auth: UserPass;
  /** The coordinator: `HOST[:PORT]` (HTTPS), a URL, or an address with its pinned certificate. */
  readonly instance: string | ServerAddress;
  /** An undici Dispatcher for requests; it is not destroyed. Default: the client's own connections. */
  readonly dispatcher?: Dispatcher | undefined;
  /** Called with a line for every answered request. */
  readonly onRequest?: ((line: string) => void) | undefined;
}

/** The options of `remoteBuildlets`. */
export interface ListOptions extends CallOptions {
  /** Whether to include the health of each, and dead ones, if the coordinator reports it. Default false. */
  health?: boolean | undefined;
  /** Whether to include those of others, for admins. Default false. */
  everybody?: boolean | undefined;
}

/** The options of `types`. */
export interface TypesOptions extends CallOptions {
  /** Whether the coordinator is to note in its audit trail that somebody signed in. Default false. */
  signIn?: boolean | undefined;
}
