// Schemas of values that are written the same way in every file.
import * as v from 'valibot';
import { parseDuration } from '../duration.ts';
import { fingerprintDigits, fingerprintPattern } from '../fingerprint.ts';
import { parseMemory } from '../protocol/memory-size.ts';
import { normalizeRelativePath } from '../protocol/relative-path.ts';

/** What a section or file may be called. */
export const nameSchema = v.pipe(
  v.string(),
  v.regex(/^[\w.-]+$/, 'a name has letters, digits, ".", "_" and "-" only'),
);

/**
 * A table whose keys are names from outside, as a Map: a name such as `constructor` finds nothing that was not given,
 * and none is dropped, as `v.record` does.
 */
export const namedValues = <
  const Key extends v.GenericSchema<string, string>,
  const Value extends v.GenericSchema,
>(
  key: Key,
  value: Value,
) =>
  v.pipe(
    v.custom<Readonly<Record<string, v.InferInput<Value>>>>(
      (given) => typeof given === 'object' && given !== null && !Array.isArray(given),
      'it is a table of names',
    ),
    v.transform((given) => new Map<string, unknown>(Object.entries(given))),
    v.map(key, value),
  );

/** A duration as Go writes it; in ms. */
export const durationSchema = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return parseDuration('duration', dataset.value);
    } catch {
      addIssue({ message: 'give a duration of at most 24 days, such as "90s", "30m" or "12h"' });
      return NEVER;
    }
  }),
);

/** How long something may live, in ms; "0" is forever, wherever it is configured. */
const lifetimeSchema = v.pipe(
  durationSchema,
  v.transform((durationMs) => (durationMs === 0 ? Number.POSITIVE_INFINITY : durationMs)),
);

/** Keys of backends: how long a buildlet lives without use, and at most. */
export const lifetimeEntries = {
  'idle-timeout': v.optional(lifetimeSchema, '30m'),
  'max-lifetime': v.optional(lifetimeSchema, '24h'),
};

export const lifetimeNames = {
  'idle-timeout': 'idleTimeoutMs',
  'max-lifetime': 'maxLifetimeMs',
} as const;

/** A duration that cannot be nothing, in ms. */
export const positiveDurationSchema = v.pipe(
  durationSchema,
  v.minValue(1, 'give a duration of more than 0'),
);

/** A size in bytes, written with a unit. */
export const memorySchema = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const sizeBytes = parseMemory(dataset.value);
    if (sizeBytes !== undefined) return sizeBytes;
    addIssue({ message: 'give a size such as "512m" or "4g"' });
    return NEVER;
  }),
);

export const portSchema = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));

/** A text that is not empty. */
export const textSchema = v.pipe(v.string(), v.minLength(1, 'it is empty'));

/** Of a file or directory below another: it does not lead out of there by its own words. */
export const relativePathSchema = v.pipe(
  textSchema,
  v.check((path) => {
    const isInside = !path.split(/[\\/]/).includes('..') && !/^[A-Za-z]:/.test(path);
    return isInside && !path.startsWith('\\') && normalizeRelativePath(path) !== undefined;
  }, 'give a relative path without ..'),
);

/** The fingerprint of a certificate in any usual spelling; 64 hexadecimal digits. */
export const fingerprintSchema = v.pipe(
  v.string(),
  v.transform(fingerprintDigits),
  v.regex(fingerprintPattern, 'a fingerprint is sha256: and 64 hexadecimal digits'),
);

/** What `Given` is with some of its keys named as `Names` says. */
type Renamed<Given, Names> = {
  [Key in keyof Given as Key extends keyof Names ? Names[Key] & string : Key]: Given[Key];
};

/** A table whose keys are named in code as `names` says, with units, where the file has another name. */
export const tableOf = <
  const Entries extends v.ObjectEntries,
  const Names extends { readonly [Key in keyof Entries]?: string },
>(
  entries: Entries,
  names: Names,
) =>
  v.pipe(
    v.strictObject(entries),
    v.transform((given) => {
      const codeNames = new Map(Object.entries(names));
      return Object.fromEntries(
        Object.entries(given).map(([key, value]) => [codeNames.get(key) ?? key, value]),
      ) as Renamed<typeof given, Names>;
    }),
  );
