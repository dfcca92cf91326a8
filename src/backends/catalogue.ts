// The sections [hosts.NAME] and [builders.NAME]: the catalogue beyond the built-in one.
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import {
  type BuilderType,
  builtInCatalogue,
  type Catalogue,
  type DockerMachine,
  type HostType,
  type SetupSource,
} from '../builders.ts';
import { cachesSchema } from '../config/caches.ts';
import { badValue } from '../config/file.ts';
import { namedValues, nameSchema, relativePathSchema, textSchema } from '../config/values.ts';
import { hostTables } from './config.ts';
import { localTable } from './local/config.ts';

const environmentPair = v.pipe(v.string(), v.regex(/^[^=\0]+=/, 'an env element is KEY=VALUE'));

/** The setup of a new machine; paths are relative to the file. */
const setupKeys = {
  setup: v.optional(textSchema),
  'setup-files': v.optional(v.array(relativePathSchema), []),
  'keep-setup': v.optional(v.boolean()),
};

type SetupSection = v.InferOutput<v.StrictObjectSchema<typeof setupKeys, undefined>>;

export const hostsSchema = v.optional(
  namedValues(
    nameSchema,
    v.strictObject({
      description: v.optional(v.string()),
      'go-bootstrap': v.optional(v.pipe(v.string(), v.url())),
      'inherit-env': v.optional(v.boolean()),
      ...setupKeys,
      caches: cachesSchema,
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
      ...setupKeys,
      caches: cachesSchema,
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
      setup: _,
      'setup-files': __,
      'keep-setup': ___,
      ...host
    } = section;
    if (hosts.some((other) => other.name === key))
      throw badValue(path, `hosts.${key}`, key, 'it is built in');
    const docker = dockerTableOf(path, key, image, table);
    const setup = setupOf(path, `hosts.${key}`, section);
    hosts.push({
      ...{ name: key, goBootstrap, inheritEnv, ...host },
      ...(docker && { docker }),
      ...(setup && { setup }),
    });
  }
  const builders: BuilderType[] = [...builtInCatalogue.builders];
  for (const [key, section] of file.builders) {
    const { host, env, path: elements, caches } = section;
    const at = `builders.${key}`;
    if (builders.some((builder) => builder.name === key))
      throw badValue(path, at, key, 'it is built in');
    if (!hosts.some((candidate) => candidate.name === host)) {
      const known = hosts.map((candidate) => candidate.name).join(', ');
      throw badValue(path, `${at}.host`, host, `there is no such host type; there are: ${known}`);
    }
    const setup = setupOf(path, at, section);
    builders.push({
      ...{ name: key, hostType: host, env, path: elements },
      ...(caches && { caches }),
      ...(setup && { setup }),
    });
  }
  return { hosts, builders };
}

function setupOf(
  path: string,
  at: string,
  { setup: script, 'setup-files': files, 'keep-setup': isKept }: SetupSection,
): SetupSource | undefined {
  const directory = dirname(resolve(path));
  if (script !== undefined) {
    const kept = isKept === undefined ? {} : { isKept };
    return { directory, script: resolve(directory, script), files, ...kept };
  }
  if (files.length > 0) {
    throw badValue(path, `${at}.setup-files`, files, 'there is no setup that needs them');
  }
  if (isKept === undefined) return undefined;
  throw badValue(path, `${at}.keep-setup`, isKept, 'there is no setup');
}

/** The image of a host type is used for its container, unless the docker table has its own. */
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
