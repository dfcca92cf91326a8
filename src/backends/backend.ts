// The interface of backends, `Backend`, and the interfaces of what only some of them do.
import type { BuilderType, Catalogue, HostType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { GomoteError } from '../errors.ts';
import type { RemoteUser } from '../protocol/coordinator-replies.ts';
import type { Labels, WantedLabels } from '../protocol/labels.ts';
import type { Priority } from '../protocol/priority.ts';

/** A buildlet as its backend knows it. */
export interface Instance {
  /** Unique in its backend: `<user>-<type>-<n>`, or with a random part where names are not remembered. */
  readonly name: string;
  readonly builderType: string;
  readonly hostType: string;
  /** Whom it was made for, if the backend keeps that; absent: for the user it was opened for. */
  readonly owner?: string | undefined;
  /** The machine it is on, where an admin is told. */
  readonly machine?: string | undefined;
  readonly created: Date | undefined;
  /** When it ends by itself unless it is used; undefined when it will not, or is not known. */
  readonly expires: Date | undefined;
  /** Why it can no longer be used; undefined while it can. */
  readonly dead: string | undefined;
  /** What is wrong with it at the moment, where that is looked after. */
  readonly trouble?: string | undefined;
  /** What `SharedNotes.note` has kept with it. */
  readonly note?: string | undefined;
  /** What its user has given it; absent: none. */
  readonly labels?: Labels | undefined;
}

export interface BackendCall {
  readonly signal: AbortSignal;
}

/** A call to a backend of several machines or hosts, of which some may not answer. */
export interface PartsCall extends BackendCall {
  /** Called for each part that does not answer, when the others have. Absent: such a part fails the call. */
  readonly onFailure?: ((error: GomoteError) => void) | undefined;
}

export interface ListCall extends PartsCall {
  /** Also those of others, where the caller is an admin of a server. */
  readonly everybody?: boolean | undefined;
  /** Fails rather than leave some out, when a part of the platform does not answer. */
  readonly isWhole?: boolean | undefined;
}

export interface CreateCall extends BackendCall {
  /** Owner; names begin with it. */
  readonly user: string;
  /** The builder type's kind of machine. */
  readonly host: HostType;
  /**
   * The buildlet ends when no client has held it for so long, in ms, from its start on (BuildletClient.hold). A backend that
   * cannot say that to a machine that it makes leaves it to the machine's own timers until it is held.
   */
  readonly holdMs?: number | undefined;
  /** Labels for it, by which `list` finds it: see protocol/labels.ts. */
  readonly labels?: Labels | undefined;
  /** Labels that its machine must have, where machines have some. */
  readonly machineLabels?: WantedLabels | undefined;
  /** How much it is in a hurry, where creates wait for each other. */
  readonly priority?: Priority | undefined;
  /** Called, in a few words what is being waited for. */
  readonly onProgress?: ((step: string) => void) | undefined;
  /** Which of the backend's hosts makes it. Absent: the backend chooses. */
  readonly onHost?: string | undefined;
  /** Called with a line for each of hosts that were left out because they do not answer. */
  readonly onWarning?: ((line: string) => void) | undefined;
}

/** Where buildlets come from. What only some backends do is an interface of its own, below. */
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
}

/** Backends that may not keep labels: all others do. */
export interface LabelCheck {
  /** Whether labels of a new buildlet would be kept. */
  keepsLabels(call: BackendCall): Promise<boolean>;
}

/** Backends whose machines are not all alike, or are waited for. */
export interface MachineChoice {
  /** Whether the server behind it looks at `machineLabels` and `priority`. */
  chooses(what: 'machineLabels' | 'priority', call: BackendCall): Promise<boolean>;
}

/** Backends that know more of a lost buildlet than the connection does. */
export interface Diagnosis {
  /** Why a call to the buildlet failed; the error itself when nothing more is known. */
  explain(name: string, error: GomoteError): Promise<GomoteError>;
}

/** Backends whose `list` shows when a buildlet ends without asking the buildlet. */
export interface Renewal {
  /** Records that the buildlet is in use. Call it at every use: it writes at most once a minute. */
  renew(name: string, call: BackendCall): Promise<void>;
}

/** Backends whose platform keeps a short text with each buildlet, for everybody who lists them. */
export interface SharedNotes {
  /**
   * Replaces the note by what `amend` makes of it. `amend` is called again when another client has written meanwhile.
   */
  note(name: string, amend: (note: string | undefined) => string, call: BackendCall): Promise<void>;
}

/** Backends on which buildlets that have ended leave something behind. */
export interface Cleanup {
  /** Removes what is left of buildlets that have ended or are overdue. Returns what was removed, a line each. */
  reap(call: PartsCall): Promise<string[]>;
}

/** Backends that know the names of buildlets without asking a machine for them. */
export interface KnownNames {
  /** Also of those that have died since. */
  knownNames(): { readonly name: string; readonly about: string }[];
}

/** Backends that may ask their user something on the terminal when they connect, such as a password. */
export interface Prompts {
  /** Connects, so that nothing is asked later. To be called before anything is drawn on the terminal. */
  answerPrompts(call: BackendCall & Pick<CreateCall, 'onHost'>): Promise<void>;
}

/** Backends that make several buildlets in one step. */
export interface BatchCreation {
  /** Makes them all or none; undefined when the server behind it cannot. */
  createAll(builder: BuilderType, count: number, call: CreateCall): Promise<Instance[] | undefined>;
}

/** Backends behind a server that has its own users, builder types and leases. */
export interface TeamServer {
  /** What can be created there; undefined when the server does not say. */
  types(call: BackendCall): Promise<Catalogue | undefined>;
  /** Who the caller is there; undefined when the server does not say. */
  whoAmI(call: BackendCall): Promise<RemoteUser | undefined>;
  /** What time it is there, to the second; undefined when the server does not say. */
  clock(call: BackendCall): Promise<Date | undefined>;
  /** The builder type of the buildlet of that name. */
  builderOf(name: string, call: BackendCall): Promise<BuilderType | undefined>;
  /** Lets the buildlet live for `byMs` from now, as far as it may. Gives when it ends. */
  extend(name: string, byMs: number, call: BackendCall): Promise<Date | undefined>;
}

/** A backend of any kind, with what it does beyond `Backend`. */
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
      TeamServer
  >;

/** What every backend is opened with beside its section of the configuration. */
export interface Surroundings {
  /** As in the configuration. */
  readonly name: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Whose buildlets it shows and makes. Absent: everybody's, as for a coordinator. */
  readonly user?: string | undefined;
}

/** Called with a line for each request that was answered. */
export type RequestLog = ((line: string) => void) | undefined;
