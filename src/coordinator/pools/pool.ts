// The interface of pools, which provide a coordinator's machines.
import type { ImageRequest, KeptImage } from '../../backends/backend.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { GomoteError } from '../../errors.ts';
import type { Labels, WantedLabels } from '../../protocol/labels.ts';
import type { PoolConfig } from '../pool-config.ts';
import type { SharedMachines } from './shared-machines.ts';
import type { UnavailableMachines } from './unavailable-machines.ts';

export interface PoolCall {
  readonly signal: AbortSignal;
}

export interface ReconcileCall extends PoolCall {
  /** Those of the held that no session has which can be read: they are left as they are, and not lent. */
  readonly kept: ReadonlySet<string>;
  /** Whether machines that are not held may be in use anyway: they are kept as well. */
  readonly leavesOthers: boolean;
  /** All machines that sessions have, also of other pools. */
  readonly named: ReadonlySet<string>;
}

/** The images of a pool's machines. */
export interface PoolImages {
  /** Where they are kept: pools of one place can use each other's. */
  readonly place: string;
  keep(machine: string, request: ImageRequest): Promise<KeptImage>;
  /** It is not an error when it is gone. May throw ERR_CONFLICT while a machine uses it. */
  remove(id: string, call: PoolCall): Promise<void>;
}

/** An image that a machine begins with, in place of that of its host type. */
export interface MachineImage {
  readonly place: string;
  /** Of its machine: on others, the users and files in it could have rights that they were not given. */
  readonly hostType: string;
  /** As `PoolImages.keep` has named it. */
  readonly image: string;
}

export interface AcquireCall extends PoolCall {
  /** The labels that the machine must have. */
  readonly wanted: WantedLabels;
  /** Called with a short description of what is being waited for. */
  readonly onProgress: (step: string) => void;
  /** What it begins with: only called where the pool has images of that place. */
  readonly image?: MachineImage | undefined;
  /** Who gets it. Absent: it is made ahead. */
  readonly owner?: string | undefined;
}

/** A machine that stays when its user leaves. */
export interface Member {
  readonly id: string;
  /** What it is called. */
  readonly name: string;
  readonly labels: Labels | undefined;
  /** Whether it could be acquired now. */
  readonly isFree: boolean;
  /** Whether it answers and could be cleaned, as far as is known. */
  readonly isUp: boolean;
  /** Whether it is kept for a session that cannot be read. */
  readonly isKept: boolean;
}

export interface Pool {
  /** As in the configuration. */
  readonly name: string;
  readonly hostType: string;
  /** Of each of its machines. */
  readonly labels?: Labels | undefined;
  /** As in the configuration: `local`, `static`, `reverse` or a backend's kind. */
  readonly kind: string;
  /** How many machines can be lent at once, at this moment. */
  readonly capacity: number;
  /** How many there can ever be, as far as that is known; more are never asked for at once. Absent: no limit. */
  readonly size?: number | undefined;
  /** Machines that stay when their user leaves, the first to be lent first. Absent: each is made for one user. */
  readonly members?: readonly Member[] | undefined;
  /** Absent: it cannot keep images of machines. */
  readonly images?: PoolImages | undefined;
  /** Whether a machine has something of its user's from the start: none is made ahead. */
  readonly isPersonal?: boolean | undefined;
  /** Whether a machine with these labels may come that is not among the members. Absent: none comes. */
  mayGain?(wanted: WantedLabels): boolean;
  /** Machines that are not lent, because they do not answer or could not be cleaned; they are tried again. */
  readonly unavailable?: UnavailableMachines | undefined;
  /** Where sessions are kept with their machines, for all coordinators; absent: the machines are this one's alone. */
  readonly shared?: SharedMachines | undefined;
  /** Set by the allocator. Call it when the capacity has grown. */
  onCapacity: () => void;
  /** Set by the allocator. Call it when a machine is gone for good. */
  onLost: (id: string, reason: string) => void;
  /**
   * Returns the id of a clean machine that answers and has the labels. Only called while fewer than `capacity` are lent. When it fails or
   * is cancelled, nothing is left behind; ERR_NO_CAPACITY: all that were thought to be free are not. An id stays the same when the coordinator starts again.
   */
  acquire(call: AcquireCall): Promise<string>;
  /** Takes a machine back, also one that died: nothing of its user is left on it. May be repeated. */
  release(id: string, call: PoolCall): Promise<void>;
  /** A client of the machine; its `target` is what requests are relayed to. */
  connect(id: string): Promise<BuildletClient>;
  /** Notes that the machine is in use, where its platform would end one that is not; it writes seldom by itself. */
  renew?(id: string, call: PoolCall): Promise<void>;
  /** Why a call to the machine failed, if the pool knows; ERR_BUILDLET_DIED when the machine is gone for good. */
  explain?(id: string, error: GomoteError): Promise<GomoteError>;
  /** Takes other settings of the same pool over; machines in use stay so. */
  reconfigure?(config: PoolConfig): void;
  /** Once, at the start: ends all that no session has; returns those of the held that are still there, and what it left. */
  reconcile(held: ReadonlySet<string>, call: ReconcileCall): Promise<ReadonlySet<string>>;
  /** The coordinator ends; the machines stay. */
  close(): Promise<void>;
}
