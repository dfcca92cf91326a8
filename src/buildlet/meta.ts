// The configuration values META_*, from the environment or from the metadata server.
import { readFile } from 'node:fs/promises';
import { GomoteError } from '../errors.ts';
import { reasonOf } from '../files/local-error.ts';
import { readNamedSecret } from '../files/private-file.ts';

/** The value of a key such as `tls-cert`; undefined when there is none. */
export type Meta = (key: string) => Promise<string | undefined>;

const secretKeys = ['password', 'tls-key'];

/** Reads `META_<key>` or its upper-case form; a value `@FILE` is read from the file. */
export function environmentMeta(environment: NodeJS.ProcessEnv): Meta {
  return async (key) => {
    const name = `META_${key.replaceAll('-', '_')}`;
    const value = environment[name] ?? environment[name.toUpperCase()];
    if (value === undefined || value === '') return undefined;
    if (!value.startsWith('@')) return value;
    const file = value.slice(1);
    return secretKeys.includes(key)
      ? readNamedSecret(name, file).trim()
      : await readSetting(name, file);
  };
}

/** The trimmed text of the file that `what` names. Throws ERR_CONFIG. */
export async function readSetting(what: string, file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    const message = `${what}: cannot read "${file}": ${reasonOf(error)}`;
    throw new GomoteError('ERR_CONFIG', message, { cause: error });
  }
}

/** Whether this is a virtual machine of Compute Engine, determined without the network. */
export async function isOnGce(environment: NodeJS.ProcessEnv): Promise<boolean> {
  // A pod may run on a machine of Compute Engine, whose attributes are not meant for the pod.
  if (environment.IN_KUBERNETES) return false;
  if (environment.GCE_METADATA_HOST) return true;
  const product = await readFile('/sys/class/dmi/id/product_name', 'utf8').catch(() => '');
  return product.trim() === 'Google Compute Engine';
}
