// The JSON and the texts that a coordinator sends.
import { coordinatorAuthUser } from './endpoints.ts';
import type { Labels } from './labels.ts';

/** A coordinator's data about one buildlet. */
interface RemoteRecord {
  /** Without the prefix `user-`. */
  readonly owner: string;
  readonly name: string;
  readonly hostType: string;
  readonly builderType: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly labels?: Labels | undefined;
}

/** A host type and a builder type of the catalogue. */
export interface HostRecord {
  /** The name that builder types refer to. */
  readonly name: string;
  /** One sentence about it. */
  readonly description?: string | undefined;
}
/** Who asks. */
interface CallerRecord {
  readonly name: string;
  readonly isAdmin: boolean;
  /** How many buildlets it has, and its limit. */
  readonly inUse: number;
  readonly maximum: number;
  /** When its token expires. Absent: never. */
  readonly expiresMs?: number | undefined;
}

/** A machine of a pool, for admins. */
export interface MachineRecord {
  /** Its address, the name it dialled in with, or its platform's name. */
  readonly machine: string;
  /** The host type of its pool. */
  readonly hostType: string;
  /** The name of its pool. */
  readonly pool?: string | undefined;
  /** Its labels. */
  readonly labels?: Labels | undefined;
  /** The kind of its pool. */
  readonly kind: string;
  /** `down`: it does not answer. `unclean`: it could not be cleaned. Neither is used for sessions. */
  readonly state: 'free' | 'in use' | 'down' | 'unclean';
  /** Since when it is unavailable. */
  readonly since?: Date | undefined;
  /** Why it is unavailable. */
  readonly reason?: string | undefined;
  /** The buildlet that runs on it. */
  readonly buildlet?: string | undefined;
  /** The owner of that buildlet. */
  readonly owner?: string | undefined;
  /** An admin has taken it out of use. */
  readonly drained?:
    | {
        /** When. */
        readonly since: Date;
        /** Why, in the admin's words. */
        readonly note: string;
      }
    | undefined;
}

/** A builder type in a coordinator's reply. */
export interface BuilderRecord {
  /** The name for `create`. */
  readonly name: string;
  /** The name of its host type. */
  readonly hostType: string;
  /** `KEY=VALUE`, for every command. */
  readonly env: readonly string[];
  /** The PATH of commands, as in `ExecOptions`. Absent: the buildlet's. */
  readonly path?: readonly string[] | undefined;
}

/** Several buildlets in one request, all or none. */
export const createCountFeature = 'create-count';

/** Labels of a new buildlet, as JSON in the field `labels`, and in records of it. */
export const labelsFeature = 'create-labels';

/** Labels that the machine of a new buildlet must have, in fields `machineLabel`. */
export const machineLabelsFeature = 'create-machine-labels';

/** How much it is in a hurry, in the field `priority`. */
export const priorityFeature = 'create-priority';

/** Extensions of a coordinator, announced in `/buildlet/types`. */
const coordinatorFeatures: readonly string[] = [
  createCountFeature,
  'create-key',
  labelsFeature,
  machineLabelsFeature,
  priorityFeature,
  'create-progress',
  'extend',
];

const toJson = (record: RemoteRecord) => ({
  User: coordinatorAuthUser(record.owner),
  Name: record.name,
  HostType: record.hostType,
  BuilderType: record.builderType,
  Created: new Date(record.createdMs).toISOString(),
  Expires: new Date(record.expiresMs).toISOString(),
  ...(record.labels && { Labels: record.labels }),
});

/** The reply to `/buildlet/create`. */
export const formatRecord = (record: RemoteRecord): string => pretty(toJson(record));

/** A row of the list; cached with the record, since most of a long list does not change. */
const listed = new WeakMap<RemoteRecord, string>();

function listedText(record: RemoteRecord, more: object): string {
  const kept = listed.get(record);
  const text = kept ?? JSON.stringify(toJson(record), undefined, 2).replaceAll('\n', '\n  ');
  if (kept === undefined) listed.set(record, text);
  const added = Object.entries(more).flatMap(([name, value]) =>
    value === undefined ? [] : [`,\n    ${JSON.stringify(name)}: ${JSON.stringify(value)}`],
  );
  return added.length === 0
    ? text
    : `${text.slice(0, -endOfListed.length)}${added.join('')}${endOfListed}`;
}

const endOfListed = '\n  }';

/** The reply to `/buildlet/list`; `more` adds the fields of extensions. */
export function formatRecords<T extends RemoteRecord>(
  records: readonly T[],
  more: (record: T) => object = () => ({}),
): string {
  if (records.length === 0) return '[]\n';
  return `[\n  ${records.map((record) => listedText(record, more(record))).join(',\n  ')}\n]\n`;
}

const builderJson = ({ name, hostType, env, path }: BuilderRecord) => ({
  Name: name,
  HostType: hostType,
  Env: env,
  Path: path,
});

/** The reply to `/buildlet/types`. */
export const formatTypes = (
  hosts: readonly HostRecord[],
  builders: readonly BuilderRecord[],
  user: CallerRecord,
  moreFeatures: readonly string[] = [],
): string =>
  pretty({
    Features: [...coordinatorFeatures, ...moreFeatures],
    User: {
      ...{ Name: user.name, Admin: user.isAdmin, InUse: user.inUse, Maximum: user.maximum },
      Expires: user.expiresMs && new Date(user.expiresMs),
    },
    Hosts: hosts.map(({ name, description }) => ({ Name: name, Description: description })),
    Builders: builders.map(builderJson),
  });

/** JSON formatted like Go's json.MarshalIndent, with a newline. */
const pretty = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

/** The progress lines of a create. */
export const formatProgress = (step: string): string => `${JSON.stringify({ Progress: step })}\n`;
export function formatCreated(
  records: readonly RemoteRecord[],
  isCounted: boolean,
  builder: BuilderRecord | undefined,
): string {
  const all = records.map(toJson);
  const made = isCounted ? { Buildlets: all } : { Buildlet: all[0] };
  return `${JSON.stringify({ ...made, ...(builder && { Builder: builderJson(builder) }) })}\n`;
}
export const formatFailed = (reply: {
  status: number;
  text: string;
  code?: string | undefined;
}): string => `${JSON.stringify({ Error: reply.text, Status: reply.status, Code: reply.code })}\n`;

const machineJson = (row: MachineRecord) => ({
  Machine: row.machine,
  HostType: row.hostType,
  Pool: row.pool,
  Kind: row.kind,
  Labels: row.labels,
  State: row.state,
  Since: row.since,
  Reason: row.reason,
  Buildlet: row.buildlet,
  Owner: row.owner && coordinatorAuthUser(row.owner),
  Drained: row.drained && { Since: row.drained.since, Note: row.drained.note },
});

/** The replies to `/machine/list`, and to `/machine/drain` and `/machine/undrain`. */
export const formatMachines = (rows: readonly MachineRecord[]): string =>
  pretty(rows.map(machineJson));
export const formatMachine = (row: MachineRecord): string => pretty(machineJson(row));
