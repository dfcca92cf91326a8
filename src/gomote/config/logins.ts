// The backends of `gomote login`, in a separate file, and the files that belong to each.
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { parseFile } from '../../config/file.ts';
import { namedValues, nameSchema } from '../../config/values.ts';
import { withFileLock } from '../../files/file-lock.ts';
import { ifThere } from '../../files/if-there.ts';
import { makeDirectories } from '../../files/make-directories.ts';
import { readTrustedFile } from '../../files/private-file.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { tokenPath } from './account.ts';
import { loginsPath } from './config.ts';

/** Where a coordinator's builder types are kept. */
export const typesPath = (directory: string, backend: string): string =>
  join(directory, `${backend}-types.json`);

const schema = v.strictObject({
  default: v.optional(nameSchema),
  backends: v.optional(
    namedValues(
      nameSchema,
      v.strictObject({
        url: v.string(),
        user: nameSchema,
        fingerprint: v.optional(v.string()),
      }),
    ),
    {},
  ),
});

type Logins = v.InferOutput<typeof schema>;
export type Login = Logins['backends'] extends Map<string, infer One> ? One : never;

export async function readLogins(directory: string): Promise<Logins> {
  const path = loginsPath(directory);
  const bytes = ifThere(() => readTrustedFile(path));
  return bytes === undefined ? { backends: new Map() } : parseFile(path, bytes, schema);
}

/** Stores the token and adds the coordinator as a backend, as the default if there was none. */
export async function addLogin(
  directory: string,
  name: string,
  login: Login & { token: string },
): Promise<{ isDefault: boolean }> {
  const { token, ...section } = login;
  makeDirectories(directory, 0o700);
  return await withFileLock(loginsPath(directory), async () => {
    const logins = await readLogins(directory);
    const isDefault = (logins.default ?? name) === name;
    await writeWhole(tokenPath(directory, name, login.user), `${token}\n`);
    await writeLogins(directory, {
      default: logins.default ?? name,
      backends: new Map([...logins.backends, [name, section]]),
    });
    return { isDefault };
  });
}

/** Removes the backend with its token and types. Returns whether it existed. */
export async function removeLogin(directory: string, name: string): Promise<boolean> {
  if (!existsSync(directory)) return false;
  return await withFileLock(loginsPath(directory), async () => {
    const logins = await readLogins(directory);
    const login = logins.backends.get(name);
    if (login === undefined) return false;
    const backends = new Map([...logins.backends].filter(([other]) => other !== name));
    await writeLogins(directory, {
      ...(logins.default !== name && { default: logins.default }),
      backends,
    });
    await rm(tokenPath(directory, name, login.user), { force: true });
    await rm(typesPath(directory, name), { force: true });
    return true;
  });
}

async function writeLogins(directory: string, logins: Logins): Promise<void> {
  const quoted = (text: string): string => JSON.stringify(text);
  const lines = ['# Written by gomote login and gomote logout.'];
  if (logins.default !== undefined) lines.push(`default = ${quoted(logins.default)}`);
  for (const [name, { url, user, fingerprint }] of logins.backends) {
    lines.push('', `[backends.${quoted(name)}]`, `url = ${quoted(url)}`, `user = ${quoted(user)}`);
    if (fingerprint !== undefined) lines.push(`fingerprint = ${quoted(fingerprint)}`);
  }
  await writeWhole(loginsPath(directory), `${lines.join('\n')}\n`);
}
