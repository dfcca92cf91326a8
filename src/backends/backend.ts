// The interface `Backend`, and interfaces for what only some backends can do.
import type { BuilderType, Catalogue, HostType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { GomoteError } from '../errors.ts';
import type { RemoteUser } from '../protocol/coordinator-replies.ts';
import type { Labels, WantedLabels } from '../protocol/labels.ts';
import type { Priority } from '../protocol/priority.ts';
import type { Snapshot } from '../protocol/snapshot.ts';

/** A buildlet as its backend knows it. */
export interface Instance {
  /** Unique in its backend: `<user>-<type>-<n>`, or with a random part where names are not remembered. */
  readonly name: string;
  /** Its builder type. */
  readonly builderType: string;
  /** The type of its machine. */
  readonly hostType: string;
  /** The owner, if the backend stores one. Absent: the user whom the backend was opened for. */
  readonly owner?: string | undefined;
  /** The machine that it runs on, shown to admins. */
  readonly machine?: string | undefined;
  /** When it was created; undefined: not known. */
  readonly created: Date | undefined;
  /** When it ends unless it is used; undefined: never, or unknown. */
  readonly expires: Date | undefined;
  /** Why it can no longer be used; undefined while it can. */
  readonly dead: string | undefined;
  /** What is wrong with it at the moment, if the backend monitors it. */
  readonly trouble?: string | undefined;
  /** The note of `SharedNotes.note`. */
  readonly note?: string | undefined;
  /** The labels from its user; absent: none. */
  readonly labels?: Labels | undefined;
}

export interface BackendCall {
  readonly signal: AbortSignal;
}

/** A call to a backend of several machines or hosts, of which some may not answer. */
export interface PartsCall extends BackendCall {
  /** Called for each part that does not answer, after the others have. Absent: such a part fails the call. */
  readonly onFailure?: ((error: GomoteError) => void) | undefined;
}

export interface ListCall extends PartsCall {
  /** Whether to include buildlets of others, for admins of a server. */
  readonly everybody?: boolean | undefined;
  /** Whether to fail instead of omitting some when a part of the platform does not answer. */
  readonly isWhole?: boolean | undefined;
}

export interface CreateCall extends BackendCall {
  /** Owner; names begin with it. */
  readonly user: string;
  /** The builder type's kind of machine. */
  readonly host: HostType;
  /**
   * The buildlet ends when no client has held it for this long, in ms, from its start (BuildletClient.hold). A backend that
   * cannot pass this to a new machine relies on the machine's own timers until it is held.
   */
  readonly holdMs?: number | undefined;
  /** Whose caches it gets. Absent: those of `user`. */
  readonly cacheOwner?: string | undefined;
  /** Whether the machine keeps no contents of pushes: a coordinator does that itself, for each of its users. */
  readonly hasNoStore?: boolean | undefined;
  /** An image that `keepImage` of this backend has made, to begin with in place of the host type's. At a coordinator: its snapshot's name there. */
  readonly image?: string | undefined;
  /** Labels for it, which `list` can filter by: see protocol/labels.ts. */
  readonly labels?: Labels | undefined;
  /** Labels that its machine must have, where machines have labels. */
  readonly machineLabels?: WantedLabels | undefined;
  /** The priority, where creates are queued. */
  readonly priority?: Priority | undefined;
  /** Called with a short description of what is being waited for. */
  readonly onProgress?: ((step: string) => void) | undefined;
  /** The host to create it on. Absent: the backend chooses. */
  readonly onHost?: string | undefined;
  /** Called with a line for each host that was skipped because it does not answer. */
  readonly onWarning?: ((line: string) => void) | undefined;
}

/** Where buildlets come from. Optional abilities are the interfaces below. */
export interface Backend {
  /** As in the configuration. */
  readonly name: string;
  /** Creates a buildlet and waits until it answers. When it fails or is cancelled, nothing is left behind. */
  create(builder: BuilderType, call: CreateCall): Promise<Instance>;
  list(call: ListCall): Promise<Instance[]>;
  /** A client of the buildlet of that name. Throws ERR_UNKNOWN_BUILDLET if it is known not to exist. */
  connect(name: string, call?: BackendCall): Promise<BuildletClient>;
  /** Destroys the buildlet and everything that belongs to it, even if it has died. */
  destroy(name: string, call: BackendCall): Promise<void>;
}

/** Backends that may not store labels: all others do. */
export interface LabelCheck {
  /** Whether labels of a new buildlet would be stored. */
  keepsLabels(call: BackendCall): Promise<boolean>;
}

/** Backends with different machines, or with a queue. */
export interface MachineChoice {
  /** Whether the server supports `machineLabels` and `priority`. */
  chooses(what: 'machineLabels' | 'priority', call: BackendCall): Promise<boolean>;
}

/** Backends that can explain the loss of a buildlet. */
export interface Diagnosis {
  /** Explains why a call to the buildlet failed. Returns the error itself when nothing more is known. */
  explain(name: string, error: GomoteError): Promise<GomoteError>;
}

/** Backends whose `list` knows when a buildlet ends without asking it. */
export interface Renewal {
  /** Records that the buildlet is in use. Call it at every use: it writes at most once a minute. */
  renew(name: string, call: BackendCall): Promise<void>;
}

/** Backends whose platform stores a short text with each buildlet, visible to everybody who lists them. */
export interface SharedNotes {
  /**
   * Replaces the note by the result of `amend`, which is called again when another client has written meanwhile.
   */
  note(name: string, amend: (note: string | undefined) => string, call: BackendCall): Promise<void>;
}

/** Backends on which ended buildlets may leave something behind. */
export interface Cleanup {
  /** Removes leftovers of buildlets that have ended or are overdue. Returns a line for each thing removed. */
  reap(call: PartsCall): Promise<string[]>;
}

/** Backends that know the names of buildlets without asking a machine for them. */
export interface KnownNames {
  /** Includes those that have died since. */
  knownNames(): { readonly name: string; readonly about: string }[];
}

/** Backends that may prompt on the terminal when they connect, for example for a password. */
export interface Prompts {
  /** Connects, so that there are no prompts later. Call it before drawing on the terminal. */
  answerPrompts(call: BackendCall & Pick<CreateCall, 'onHost'>): Promise<void>;
}

/** Backends that can create several buildlets in one step. */
export interface BatchCreation {
  /** Creates all or none; undefined when the server does not support it. */
  createAll(builder: BuilderType, count: number, call: CreateCall): Promise<Instance[] | undefined>;
}

/** Backends with a server that has its own users, builder types and leases. */
export interface TeamServer {
  /** The builder types there; undefined when the server does not list them. */
  types(call: BackendCall): Promise<Catalogue | undefined>;
  /** The caller's user there; undefined when the server does not tell. */
  whoAmI(call: BackendCall): Promise<RemoteUser | undefined>;
  /** The server's time, to the second; undefined when the server does not tell. */
  clock(call: BackendCall): Promise<Date | undefined>;
  /** The builder type of the buildlet of that name. */
  builderOf(name: string, call: BackendCall): Promise<BuilderType | undefined>;
  /** Extends the buildlet's life to `byMs` from now, as far as allowed. Returns when it ends. */
  extend(name: string, byMs: number, call: BackendCall): Promise<Date | undefined>;
}

/** A directory that outlives buildlets, as its backend knows it. */
export interface KeptCache {
  /** Its name. */
  readonly name: string;
  /** Whose it is; absent: several users'. */
  readonly owner?: string | undefined;
  /** Absent: unknown. */
  readonly bytes?: number | undefined;
  /** When a buildlet last began or ceased to use it; absent: unknown. */
  readonly used?: Date | undefined;
  /** The buildlets that use it now. */
  readonly buildlets: readonly string[];
  /** The machine that it is on, where there are several. */
  readonly machine?: string | undefined;
}

/** Backends that keep directories for later buildlets: `create` gives a buildlet those of `host.caches`. */
export interface CacheKeeper {
  caches(call: PartsCall): Promise<KeptCache[]>;
  /** Removes the cache of that name. Returns whether there was one. Throws ERR_CONFLICT while a buildlet uses it. */
  purgeCache(name: string, call: PartsCall): Promise<boolean>;
}

export interface ImageRequest extends BackendCall {
  /** A new id for it, of hexadecimal digits, by which it can be removed. */
  readonly id: string;
}

/** An image of a machine. */
export interface KeptImage {
  /** How the backend calls it. */
  readonly image: string;
  /** What it takes in addition to the image that its machine was made of. */
  readonly bytes: number;
}

/** Backends that can keep the file system of a machine, for later ones: `create` takes `image`. */
export interface ImageKeeper {
  /** Whether an image is of the work directory, with the record of pushes, which then needs no archive. Default: no. */
  readonly imagesHaveWorkDir?: true;
  /** Keeps the file system of the buildlet's machine, without the work directory unless `imagesHaveWorkDir`. */
  keepImage(name: string, request: ImageRequest): Promise<KeptImage>;
  /** It is not an error when it is gone. May throw ERR_CONFLICT while a machine uses it. */
  removeImage(id: string, call: BackendCall): Promise<void>;
}

/** Snapshots that a server keeps, by their names there. */
export interface SnapshotServer {
  /** Whether it knows snapshots of the kind `image`. */
  readonly keepsImages: boolean;
  list(call: BackendCall): Promise<Snapshot[]>;
  create(
    name: string,
    tag: string,
    options: BackendCall & {
      readonly kind: Snapshot['kind'];
      readonly exclude: readonly string[];
      readonly maxBytes: number | undefined;
      readonly isShared: boolean;
      readonly isAutomatic: boolean;
    },
  ): Promise<Snapshot>;
  restore(name: string, tag: string, call: BackendCall): Promise<void>;
  share(tag: string, isShared: boolean, call: BackendCall): Promise<Snapshot>;
  remove(tag: string, call: BackendCall): Promise<void>;
}

/** Backends with a server that may keep snapshots. */
export interface SnapshotKeeping {
  /** Undefined when it keeps none. */
  snapshots(call: BackendCall): Promise<SnapshotServer | undefined>;
}

/** A backend of any kind, with its optional abilities. */
export type AnyBackend = Backend &
  Partial<
    Diagnosis &
      LabelCheck &
      MachineChoice &
      Renewal &
      SharedNotes &
      Cleanup &
      KnownNames &
      Prompts &
      BatchCreation &
      CacheKeeper &
      ImageKeeper &
      TeamServer &
      SnapshotKeeping
  >;

/** What every backend is opened with, in addition to its section of the configuration. */
export interface BackendContext {
  /** As in the configuration. */
  readonly name: string;
  readonly environment: NodeJS.ProcessEnv;
  /** The owner of the buildlets that it lists and creates. Absent: everybody, as for a coordinator. */
  readonly user?: string | undefined;
}

/** Called with a line for each request that was answered. */
export type RequestLog = ((line: string) => void) | undefined;
