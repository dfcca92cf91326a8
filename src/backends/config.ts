// The sections [backends.NAME], and the list of their kinds.
import * as v from 'valibot';
import type { HostType } from '../builders.ts';
import { badValue } from '../config/file.ts';
import { namedValues, nameSchema } from '../config/values.ts';
import { coordinatorSection } from './coordinator/config.ts';
import { dockerSection, dockerTable } from './docker/config.ts';
import { gceSection, gceTable } from './gce/config.ts';
import { kubernetesSection, kubernetesTable } from './kubernetes/config.ts';
import { localSection } from './local/config.ts';
import { localBackend } from './open.ts';
import { sshSection } from './ssh/config.ts';

/** The schema of a section [backends.NAME], by its kind. */
const sections = {
  local: localSection,
  coordinator: coordinatorSection,
  kubernetes: kubernetesSection,
  gce: gceSection,
  ssh: sshSection,
  docker: dockerSection,
};

/** The schema of a table [hosts.NAME.KIND], for kinds whose machines are described by host types. */
export const hostTables = { kubernetes: kubernetesTable, gce: gceTable, docker: dockerTable };

type Section = v.InferOutput<(typeof sections)[keyof typeof sections]>;

export type BackendConfig = Section & { readonly name: string };

/** Whether backends of the kind can create machines of the host type. */
export function supportsHost(kind: Section['kind'], host: HostType): boolean {
  return !isDescribed(kind) || host[kind] !== undefined;
}

const isDescribed = (kind: string): kind is keyof typeof hostTables => kind in hostTables;

const kinds = Object.keys(sections);
const quoted = kinds.map((kind) => `"${kind}"`).join(', ');
const unknownKind = v.strictObject({ kind: v.picklist(kinds, `kind is one of ${quoted}`) });

/** The schema of the section's kind. A section with a url and without a kind is a coordinator. */
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
  const backends = new Map<string, BackendConfig>([[localBackend.name, localBackend]]);
  for (const [name, section] of given) {
    if (name === localBackend.name && section.kind !== 'local') {
      const why = 'this name is for the local backend';
      throw badValue(path, `backends.${name}`, name, why);
    }
    backends.set(name, { ...section, name });
  }
  return backends;
}
