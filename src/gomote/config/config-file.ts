// Reads and checks the text of config.toml.
import * as v from 'valibot';
import { buildersSchema, hostsSchema, toCatalogue } from '../../backends/catalogue.ts';
import { type BackendConfig, backendsSchema, toBackends } from '../../backends/config.ts';
import { storeEntries, storeNames } from '../../backends/machine-store.ts';
import { localBackend } from '../../backends/open.ts';
import { builtInCatalogue, type Catalogue } from '../../builders.ts';
import { badValue, parseFile } from '../../config/file.ts';
import { nameSchema, positiveDurationSchema, tableOf, textSchema } from '../../config/values.ts';

const mcpSchema = v.strictObject({
  machines: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64))),
  lifetime: v.optional(positiveDurationSchema),
  types: v.optional(v.pipe(v.array(textSchema), v.minLength(1, 'it names none'))),
});

const pullSchema = tableOf(storeEntries, storeNames);

const schema = v.strictObject({
  default: v.optional(nameSchema),
  user: v.optional(nameSchema),
  backends: backendsSchema,
  hosts: hostsSchema,
  builders: buildersSchema,
  mcp: v.optional(mcpSchema),
  pull: v.optional(pullSchema),
});

export interface Config {
  readonly defaultBackend: string;
  readonly user?: string | undefined;
  readonly backends: ReadonlyMap<string, BackendConfig>;
  readonly catalogue: Catalogue;
  readonly mcp?: v.InferOutput<typeof mcpSchema> | undefined;
  readonly pull?: v.InferOutput<typeof pullSchema> | undefined;
}

interface ConfigFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The configuration of the files, of which earlier ones take precedence. Throws ERR_CONFIG, naming file, key and value. */
export function parseConfig(files: readonly ConfigFile[]): Config {
  const parsed = files.map(({ path, bytes }) => ({ path, file: parseFile(path, bytes, schema) }));
  const backends = new Map(
    parsed.toReversed().flatMap(({ path, file }) => [...toBackends(path, file.backends)]),
  );
  const [main] = parsed;
  const withDefault = parsed.find(({ file }) => file.default !== undefined);
  const defaultBackend = withDefault?.file.default ?? localBackend.name;
  if (withDefault !== undefined && !backends.has(defaultBackend)) {
    const known = [...backends.keys()].join(', ');
    const why = `there is no such backend; there are: ${known}`;
    throw badValue(withDefault.path, 'default', defaultBackend, why);
  }
  return {
    defaultBackend,
    user: main?.file.user,
    mcp: main?.file.mcp,
    pull: main?.file.pull,
    backends,
    catalogue: main === undefined ? builtInCatalogue : toCatalogue(main.path, main.file),
  };
}
