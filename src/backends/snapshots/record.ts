// The metadata of a snapshot: a small file beside its archives.
import * as v from 'valibot';
import { GomoteError } from '../../errors.ts';

/** The pattern of snapshot names. */
const tagPattern = /^[A-Za-z0-9][\w.-]{0,99}$/;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(1_000));

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
  /** The size of the archives on this machine, in bytes. */
  readonly storedBytes: number;
  /** The excluded paths. */
  readonly excluded: readonly string[];
  /** Whether it has the record of pushes. */
  readonly hasRecords: boolean;
  /** The id of an image at its backend. */
  readonly image?: string | undefined;
  /** Whether it is the result of a setup, which may be removed automatically. */
  readonly isAutomatic: boolean;
}

const schema = v.object({
  version: v.literal(1),
  kind: v.picklist(['files', 'image']),
  created: v.pipe(v.string(), v.isoTimestamp()),
  backend: text,
  buildlet: text,
  builderType: text,
  hostType: text,
  files: count,
  bytes: count,
  storedBytes: count,
  excluded: v.array(text),
  hasRecords: v.boolean(),
  image: v.optional(text),
  isAutomatic: v.boolean(),
});

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

/** Parses the metadata; undefined when invalid. */
export function parseRecord(json: string): SnapshotRecord | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(json));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
