// The sections [backends.NAME]: where buildlets come from.
import * as v from 'valibot';
import { badValue } from '../config/file.ts';
import { namedValues, nameSchema } from '../config/values.ts';
import { type BackendConfig, localBackend, sections } from './open.ts';

const kinds = Object.keys(sections);
const quoted = kinds.map((kind) => `"${kind}"`).join(', ');
const unknownKind = v.strictObject({ kind: v.picklist(kinds, `kind is one of ${quoted}`) });

type Section = v.InferOutput<(typeof sections)[keyof typeof sections]>;

/** The schema of the section's kind; a section with a url and no kind is a coordinator. */
function schemaOf(section: unknown): v.GenericSchema<unknown, Section> {
  const given = v.safeParse(v.object({ kind: v.picklist(kinds) }), section);
  const hasUrl = v.is(v.object({ kind: v.optional(v.undefined()), url: v.unknown() }), section);
  const kind = given.success ? given.output.kind : hasUrl ? 'coordinator' : undefined;
  return (sections[kind as keyof typeof sections] ?? unknownKind) as v.GenericSchema<
    unknown,
    Section
  >;
}

export const backendsSchema = v.optional(namedValues(nameSchema, v.lazy(schemaOf)), {});

/** The backends of the file at `path`, and the local one; throws ERR_CONFIG. */
export function toBackends(
  path: string,
  given: v.InferOutput<typeof backendsSchema>,
): Map<string, BackendConfig> {
  const backends = new Map([[localBackend.name, localBackend]]);
  for (const [name, section] of given) {
    if (name === localBackend.name && section.kind !== 'local') {
      const why = 'this name is for the local backend';
      throw badValue(path, `backends.${name}`, name, why);
    }
    backends.set(name, { ...section, name });
  }
  return backends;
}
