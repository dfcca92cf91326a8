// Reads and checks the text of config.toml.
import * as v from 'valibot';
import { backendsSchema, localBackend, toBackends } from '../config/backends.ts';
import { buildersSchema, hostsSchema, toCatalogue } from '../config/catalogue.ts';
import { badValue, nameSchema, parseFile } from '../config/file.ts';
import type { Config } from './config.ts';

const schema = v.strictObject({
  default: v.optional(nameSchema),
  user: v.optional(nameSchema),
  backends: backendsSchema,
  hosts: hostsSchema,
  builders: buildersSchema,
});

/** The configuration in the file's bytes; throws ERR_CONFIG, naming the file, the key and the value. */
export function parseConfig(path: string, bytes: Uint8Array): Config {
  const file = parseFile(path, bytes, schema);
  const backends = toBackends(path, file.backends);
  const defaultBackend = file.default ?? localBackend.name;
  if (!backends.has(defaultBackend)) {
    const known = [...backends.keys()].join(', ');
    throw badValue(
      path,
      'default',
      defaultBackend,
      `there is no such backend; there are: ${known}`,
    );
  }
  return { defaultBackend, user: file.user, backends, catalogue: toCatalogue(path, file) };
}
