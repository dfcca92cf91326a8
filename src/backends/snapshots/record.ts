// What is known of a snapshot: a small file beside its archives.
import * as v from 'valibot';
import { GomoteError } from '../../errors.ts';

/** What a snapshot may be called. */
const tagPattern = /^[A-Za-z0-9][\w.-]{0,99}$/;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(1_000));

const schema = v.object({
  version: v.literal(1),
  /** `files`: the work directory, for buildlets of any kind. `image`: a whole file system, for its own backend. */
  kind: v.picklist(['files', 'image']),
  created: v.pipe(v.string(), v.isoTimestamp()),
  /** Where it comes from. */
  backend: text,
  buildlet: text,
  builderType: text,
  hostType: text,
  /** Regular files in it, and the bytes of their content. */
  files: count,
  bytes: count,
  /** What it takes here. */
  storedBytes: count,
  /** What was left out. */
  excluded: v.array(text),
  /** Whether there is a record of what was pushed. */
  hasRecords: v.boolean(),
  /** Of an image: by which its backend finds it. */
  image: v.optional(text),
  /** Whether it was made by itself, of a setup, and may go by itself. */
  isAutomatic: v.boolean(),
});

/** What is kept with a snapshot. */
export type SnapshotRecord = v.InferOutput<typeof schema>;

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
