// Where buildlets come from: the one interface all kinds of machines are behind.
import type { BuilderType, HostType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { GomoteError } from '../errors.ts';

/** A buildlet as its backend knows it. */
export interface Instance {
  /** Unique in its backend: `<user>-<type>-<n>`. */
  readonly name: string;
  readonly builderType: string;
  readonly hostType: string;
  readonly created: Date | undefined;
  /** When it ends by itself unless it is used; undefined when it will not, or is not known. */
  readonly expires: Date | undefined;
  /** Why it can no longer be used; undefined while it can. */
  readonly dead: string | undefined;
}

export interface BackendCall {
  readonly signal: AbortSignal;
}

export interface CreateCall extends BackendCall {
  /** Owner; names begin with it. */
  readonly user: string;
  /** The builder type's kind of machine. */
  readonly host: HostType;
  /** Told in a few words what is being waited for. */
  readonly onProgress?: ((step: string) => void) | undefined;
}

export interface Backend {
  /** As in the configuration. */
  readonly name: string;
  /** Makes a buildlet and waits until it answers. When it fails or is cancelled, nothing is left behind. */
  create(builder: BuilderType, call: CreateCall): Promise<Instance>;
  list(call: BackendCall): Promise<Instance[]>;
  /** A client of the buildlet of that name; throws ERR_UNKNOWN_BUILDLET if it is known not to be there. */
  connect(name: string): Promise<BuildletClient>;
  /** Ends the buildlet and removes all that belongs to it, also of one that died. */
  destroy(name: string, call: BackendCall): Promise<void>;
  /** Why a call to the buildlet failed, in plainer words than the connection's, if the backend knows. */
  explain(name: string, error: GomoteError): Promise<GomoteError>;
}

/** What a backend is opened with. */
export type BackendSettings =
  | { readonly kind: 'local'; readonly name: string; readonly environment: NodeJS.ProcessEnv }
  | {
      readonly kind: 'coordinator';
      readonly name: string;
      readonly url: string;
      readonly fingerprint?: string | undefined;
      readonly user: string;
      readonly token: string;
    };

/** Told of every request that was answered. */
export type RequestLog = ((line: string) => void) | undefined;
