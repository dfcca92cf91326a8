// Where buildlets come from: the one interface all kinds of machines are behind.
import type { BuilderType, Catalogue, HostType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { GceConfig } from '../config/gce.ts';
import type { KubernetesConfig } from '../config/kubernetes.ts';
import type { GomoteError } from '../errors.ts';

/** A buildlet as its backend knows it. */
export interface Instance {
  /** Unique in its backend: `<user>-<type>-<n>`. */
  readonly name: string;
  readonly builderType: string;
  readonly hostType: string;
  /** Whom it was made for, if the backend keeps that; absent: for the user it was opened for. */
  readonly owner?: string | undefined;
  readonly created: Date | undefined;
  /** When it ends by itself unless it is used; undefined when it will not, or is not known. */
  readonly expires: Date | undefined;
  /** Why it can no longer be used; undefined while it can. */
  readonly dead: string | undefined;
  /** What is wrong with it at the moment, where that is looked after. */
  readonly trouble?: string | undefined;
  /** What `Backend.note` has kept with it. */
  readonly note?: string | undefined;
}

export interface BackendCall {
  readonly signal: AbortSignal;
}

export interface ListCall extends BackendCall {
  /** Fails rather than leave some out, when a part of the platform does not answer. */
  readonly isWhole?: boolean | undefined;
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
  list(call: ListCall): Promise<Instance[]>;
  /** A client of the buildlet of that name; throws ERR_UNKNOWN_BUILDLET if it is known not to be there. */
  connect(name: string, call?: BackendCall): Promise<BuildletClient>;
  /** Ends the buildlet and removes all that belongs to it, also of one that died. */
  destroy(name: string, call: BackendCall): Promise<void>;
  /** Why a call to the buildlet failed, in plainer words than the connection's, if the backend knows. */
  explain(name: string, error: GomoteError): Promise<GomoteError>;
  /**
   * Notes that the buildlet is in use, so that `list` shows its later end; absent where `list` asks the buildlet
   * itself. To be called at every use: it writes at most once a minute.
   */
  renew?(name: string, call: BackendCall): Promise<void>;
  /**
   * Keeps a short text with the buildlet, where everybody who lists sees it; absent where there is no such place.
   * `amend` is given what is there and says what is to be there; it may be asked again when another writes meanwhile.
   */
  note?(
    name: string,
    amend: (note: string | undefined) => string,
    call: BackendCall,
  ): Promise<void>;
  /** What can be created there, where the backend itself knows; undefined when it does not tell. */
  types?(call: BackendCall): Promise<Catalogue | undefined>;
  /** Who the caller is there, where the backend itself knows; undefined when it does not tell. */
  whoAmI?(call: BackendCall): Promise<{ name: string; isAdmin: boolean } | undefined>;
  /** The builder type of a buildlet of that name, where the backend itself knows the types. */
  builderOf?(name: string, call: BackendCall): Promise<BuilderType | undefined>;
  /** Lets the buildlet live so much longer from this moment on, as far as it may; gives when it ends. */
  extend?(name: string, byMs: number, call: BackendCall): Promise<Date | undefined>;
  /** Removes what is left of buildlets that have ended or are overdue, and says what, a line each. */
  reap?(call: BackendCall): Promise<string[]>;
}

/** What a backend is opened with. */
export type BackendSettings =
  | {
      readonly kind: 'local';
      readonly name: string;
      /** What commands get a base of. */
      readonly environment: NodeJS.ProcessEnv;
      /** Whether commands get all of it. Default: no. */
      readonly inheritEnv?: boolean | undefined;
      /** Whose buildlets there are for this client; absent: all of this machine's user. */
      readonly user?: string | undefined;
      /** Where the buildlets have their directories, for this process alone. Absent: where the user's are. */
      readonly root?: string | undefined;
    }
  | {
      readonly kind: 'coordinator';
      readonly name: string;
      readonly url: string;
      readonly fingerprint?: string | undefined;
      readonly user: string;
      readonly token: string;
      /** An HTTP proxy to go through. Absent: none. */
      readonly proxy?: string | undefined;
      /** A file to keep the coordinator's builder types in. Absent: they are not kept. */
      readonly typesFile?: string | undefined;
    }
  | PlatformSettings<KubernetesConfig>
  | PlatformSettings<GceConfig>;

/** What a backend that keeps owners by itself is opened with. */
type PlatformSettings<C> = C & {
  /** Whose buildlets there are for this client; absent: everybody's, as for a coordinator. */
  readonly user?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
};

/** Told of every request that was answered. */
export type RequestLog = ((line: string) => void) | undefined;
