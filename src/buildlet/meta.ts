// The configuration values called META_*, from the environment; and whether another place has them.
import { readFile } from 'node:fs/promises';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { readSecretFile } from '../files/private-file.ts';

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
    const read = secretKeys.includes(key) ? readSecret : readSetting;
    return await read(name, value.slice(1));
  };
}

/** The text of the file that `what` names, without the white space around it; throws ERR_CONFIG. */
export async function readSetting(what: string, file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw unreadable(what, file, error);
  }
}

/** As {@link readSetting}, of a file that others must not be able to read. */
export async function readSecret(what: string, file: string): Promise<string> {
  try {
    return readSecretFile(file).trim();
  } catch (error) {
    throw isGomoteError(error)
      ? new GomoteError('ERR_CONFIG', `${what}: ${error.message}`, { hint: error.hint })
      : unreadable(what, file, error);
  }
}

const unreadable = (what: string, file: string, cause: unknown): GomoteError =>
  new GomoteError('ERR_CONFIG', `${what}: cannot read "${file}": ${messageOf(cause)}`, { cause });

/** Whether this is a virtual machine of Compute Engine, found out without the network. */
export async function isOnGce(environment: NodeJS.ProcessEnv): Promise<boolean> {
  // The machine below a pod may be Google's: what is meant for it is not meant for the pod.
  if (environment.IN_KUBERNETES) return false;
  if (environment.GCE_METADATA_HOST) return true;
  const product = await readFile('/sys/class/dmi/id/product_name', 'utf8').catch(() => '');
  return product.trim() === 'Google Compute Engine';
}
