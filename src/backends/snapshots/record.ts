// What is known of a snapshot: a small file beside its archives.
import * as v from 'valibot';
import { GomoteError } from '../../errors.ts';

/** What a snapshot may be called. */
const tagPattern = /^[A-Za-z0-9][\w.-]{0,99}$/;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(1_000));

/** What is stored with a snapshot. */
export interface SnapshotRecord {
  /** The version of this format. */
  readonly version: 1;
  /** `files`: the work directory, for buildlets of any kind. `image`: a whole file system, for its own backend. */
  readonly kind: 'files' | 'image';
  /** RFC 3339. */
  readonly created: string;
  /** The backend of the buildlet that it was taken of. */
  readonly backend: string;
  /** The name of that buildlet. */
  readonly buildlet: string;
  /** Its builder type. */
  readonly builderType: string;
  /** Its host type. */
  readonly hostType: string;
  /** Regular files in it. */
  readonly files: number;
  /** The bytes of their content. */
  readonly bytes: number;
  /** Its size on this machine, in bytes. */
  readonly storedBytes: number;
  /** The patterns of what was left out. */
  readonly excluded: readonly string[];
  /** Whether it has the record of what was pushed. */
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

/** A snapshot as it is listed. */
export interface Snapshot extends SnapshotRecord {
  /** Its name. */
  readonly tag: string;
  /** When a buildlet was last made from it; else when it was made. */
  readonly used: Date;
}

/** Throws ERR_USAGE for what no snapshot can be called. */
export function checkTag(tag: string): void {
  if (tagPattern.test(tag)) return;
  throw new GomoteError('ERR_USAGE', `a snapshot cannot be called "${tag}"`, {
    hint: 'give at most 100 letters, digits, ".", "_" and "-", first a letter or digit',
  });
}

export const isTag = (name: string): boolean => tagPattern.test(name);

/** Undefined for what is no record. */
export function parseRecord(json: string): SnapshotRecord | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(json));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
