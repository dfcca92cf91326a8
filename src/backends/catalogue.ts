// The sections [hosts.NAME] and [builders.NAME]: the catalogue beyond the built-in one.
import * as v from 'valibot';
import {
  type BuilderType,
  builtInCatalogue,
  type Catalogue,
  type DockerMachine,
  type HostType,
} from '../builders.ts';
import { badValue } from '../config/file.ts';
import { namedValues, nameSchema } from '../config/values.ts';
import { hostTables } from './config.ts';
import { localTable } from './local/config.ts';

const environmentPair = v.pipe(v.string(), v.regex(/^[^=\0]+=/, 'an env element is KEY=VALUE'));

export const hostsSchema = v.optional(
  namedValues(
    nameSchema,
    v.strictObject({
      description: v.optional(v.string()),
      'go-bootstrap': v.optional(v.pipe(v.string(), v.url())),
      'inherit-env': v.optional(v.boolean()),
      image: v.optional(v.pipe(v.string(), v.minLength(1, 'it is empty'))),
      local: v.optional(localTable),
      ...v.partial(v.object(hostTables)).entries,
    }),
  ),
  {},
);

export const buildersSchema = v.optional(
  namedValues(
    nameSchema,
    v.strictObject({
      host: nameSchema,
      env: v.optional(v.array(environmentPair), []),
      path: v.optional(v.array(v.string())),
    }),
  ),
  {},
);

interface Sections {
  readonly hosts: v.InferOutput<typeof hostsSchema>;
  readonly builders: v.InferOutput<typeof buildersSchema>;
}

/** The built-in catalogue with what the file at `path` adds; throws ERR_CONFIG. */
export function toCatalogue(path: string, file: Sections): Catalogue {
  const hosts: HostType[] = [...builtInCatalogue.hosts];
  for (const [key, section] of file.hosts) {
    const {
      'go-bootstrap': goBootstrap,
      'inherit-env': inheritEnv,
      image,
      docker: table,
      ...host
    } = section;
    if (hosts.some((other) => other.name === key))
      throw badValue(path, `hosts.${key}`, key, 'it is built in');
    const docker = dockerTableOf(path, key, image, table);
    hosts.push({ name: key, goBootstrap, inheritEnv, ...host, ...(docker && { docker }) });
  }
  const builders: BuilderType[] = [...builtInCatalogue.builders];
  for (const [key, { host, env, path: elements }] of file.builders) {
    const at = `builders.${key}`;
    if (builders.some((builder) => builder.name === key))
      throw badValue(path, at, key, 'it is built in');
    if (!hosts.some((candidate) => candidate.name === host)) {
      const known = hosts.map((candidate) => candidate.name).join(', ');
      throw badValue(path, `${at}.host`, host, `there is no such host type; there are: ${known}`);
    }
    builders.push({ name: key, hostType: host, env, path: elements });
  }
  return { hosts, builders };
}

/** The image of a host type is that of its container, unless the table of containers has its own. */
function dockerTableOf(
  path: string,
  host: string,
  image: string | undefined,
  table: v.InferOutput<typeof hostTables.docker> | undefined,
): DockerMachine | undefined {
  const chosen = table?.image ?? image;
  if (chosen !== undefined) return { ...table, image: chosen };
  if (table === undefined) return undefined;
  throw badValue(path, `hosts.${host}.docker.image`, undefined, 'give an image');
}
