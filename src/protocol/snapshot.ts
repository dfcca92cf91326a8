// The record of a snapshot: the same in the file beside its archives and in the replies of a coordinator.
import * as v from 'valibot';
import { GomoteError } from '../errors.ts';
import type { FailureLine } from './error-reply.ts';
import {
  count,
  date,
  failureLine,
  goObject,
  listOf,
  moment,
  parseBy,
  text,
} from './reply-fields.ts';

/** The pattern of snapshot names. */
const tagPattern = /^[A-Za-z0-9][\w.-]{0,99}$/;

/** What another user's shared snapshot is called: `TAG@OWNER`. */
const sharedPattern = /^([A-Za-z0-9][\w.-]{0,99})@([a-z0-9][a-z0-9_.-]{0,39})$/;

/** What coordinators that keep snapshots announce in `/buildlet/types`. */
export const snapshotsFeature = 'snapshots';

/** What those announce that keep images of machines with them. */
export const snapshotImagesFeature = 'snapshot-images';

/** The metadata of a snapshot. */
export interface SnapshotRecord {
  /** The version of this format. */
  readonly version: 1;
  /** `files`: the work directory, for buildlets of any kind. `image`: a whole file system, for its own backend. */
  readonly kind: 'files' | 'image';
  /** RFC 3339. */
  readonly created: string;
  /** The backend of the original buildlet. */
  readonly backend: string;
  /** The name of the original buildlet. */
  readonly buildlet: string;
  /** Its builder type. */
  readonly builderType: string;
  /** Its host type. */
  readonly hostType: string;
  /** The number of regular files. */
  readonly files: number;
  /** The size of their content, in bytes. */
  readonly bytes: number;
  /** The size of the archives where it is kept, in bytes. */
  readonly storedBytes: number;
  /** The excluded paths. */
  readonly excluded: readonly string[];
  /** Whether it has the record of pushes. */
  readonly hasRecords: boolean;
  /** The id of an image at its backend. */
  readonly image?: string | undefined;
  /** Whether it is the result of a setup, which may be removed automatically. */
  readonly isAutomatic: boolean;
  /** The user of a coordinator whose it is. */
  readonly owner?: string | undefined;
  /** Whether all users of that coordinator may begin buildlets with it. */
  readonly isShared?: boolean | undefined;
}

const fields = {
  version: v.literal(1),
  kind: v.picklist(['files', 'image']),
  created: moment,
  backend: text(1_000),
  buildlet: text(1_000),
  builderType: text(1_000),
  hostType: text(1_000),
  files: count,
  bytes: count,
  storedBytes: count,
  excluded: listOf(text(), 10_000),
  hasRecords: v.boolean(),
  image: v.optional(text(1_000)),
  isAutomatic: v.boolean(),
  owner: v.optional(text(100)),
  isShared: v.optional(v.boolean()),
};

const schema = v.object(fields);

/** A snapshot in a list. */
export interface Snapshot extends SnapshotRecord {
  /** Its name. */
  readonly tag: string;
  /** When a buildlet was last created from it, otherwise when it was created. */
  readonly used: Date;
}

/** Throws ERR_USAGE for an invalid snapshot name. */
export function checkTag(tag: string): void {
  if (tagPattern.test(tag)) return;
  throw new GomoteError('ERR_USAGE', `a snapshot cannot be called "${tag}"`, {
    hint: 'give at most 100 letters, digits, ".", "_" and "-", first a letter or digit',
  });
}

export const isTag = (name: string): boolean => tagPattern.test(name);

/** Splits `TAG@OWNER`; a name without an owner is the caller's own. Throws ERR_USAGE for what is neither. */
export function splitOwner(name: string): { tag: string; owner: string | undefined } {
  const [, tag, owner] = sharedPattern.exec(name) ?? [];
  if (tag !== undefined) return { tag, owner };
  checkTag(name);
  return { tag: name, owner: undefined };
}

export const unknownSnapshot = (name: string): GomoteError =>
  new GomoteError('ERR_UNKNOWN_SNAPSHOT', `no snapshot "${name}"`, {
    hint: 'gomote snapshot list shows those that there are',
  });

/** Parses the metadata; undefined when invalid. */
export const parseRecord = (json: string): SnapshotRecord | undefined => parseBy(schema, json);

const listedSchema = v.object({
  ...fields,
  tag: v.pipe(
    v.string(),
    v.check((name) => isTag(name) || sharedPattern.test(name)),
  ),
  used: date,
});

/** The reply to `/snapshot/list`. */
export const formatSnapshots = (all: readonly Snapshot[]): string => `${JSON.stringify(all)}\n`;

export const parseSnapshots = (body: string): Snapshot[] | undefined =>
  parseBy(listOf(listedSchema), body);

/** The reply to `/snapshot/share`. */
export const formatSnapshot = (one: Snapshot): string => `${JSON.stringify(one)}\n`;

export const parseSnapshot = (body: string): Snapshot | undefined => parseBy(listedSchema, body);

/** The last line of a reply to `/snapshot/create` and `/snapshot/restore`. */
export const formatSnapshotLine = (snapshot: Snapshot): string =>
  `${JSON.stringify({ Snapshot: snapshot })}\n`;

const lineSchema = v.union([
  goObject({ progress: text() }),
  goObject({ snapshot: listedSchema }),
  failureLine,
]);

/** One line of such a reply. */
type SnapshotLine = { readonly progress: string } | { readonly snapshot: Snapshot } | FailureLine;

export const parseSnapshotLine = (line: string): SnapshotLine | undefined =>
  parseBy(lineSchema, line);
