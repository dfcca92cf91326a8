// Reserves the name of a new local buildlet and makes its directories, password and record.
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BuilderType } from '../../builders.ts';
import { errnoOf, GomoteError } from '../../errors.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { UsedNames } from '../../files/used-names.ts';
import { temporaryDirectory } from '../../files/user-directories.ts';
import { socketPathLimitBytes } from '../../http/server/listen.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import type { CreateCall } from '../backend.ts';
import { type LocalPlaces, makeLocalPlaces } from './places.ts';
import { type LocalRecord, passwordPath, writeRecord } from './record.ts';

/** The number for a name, where names on other machines count too. */
export interface NameNumber {
  readonly least?: number | undefined;
  /** Exactly this one: ERR_NAME_TAKEN when another buildlet has or had it. */
  readonly exact?: number | undefined;
}

/**
 * Reserves a name and writes the buildlet's initial files. The directories are created here, where their names are chosen:
 * once another process knows the name, another user could create them first.
 */
export async function reserve(
  places: LocalPlaces,
  builder: BuilderType,
  call: CreateCall & { readonly number?: NameNumber | undefined },
  environment: NodeJS.ProcessEnv,
): Promise<{ directory: string; record: LocalRecord }> {
  // Check the variables before anything is created.
  const temporary = temporaryDirectory(environment);
  const { root } = places;
  const workRoot = await makeLocalPlaces(places);
  const stem = `${call.user}-${builder.name}`;
  if (!buildletName.test(`${stem}-0`)) {
    throw new GomoteError('ERR_USAGE', `a buildlet cannot be called "${stem}-0"`, {
      hint: 'user and type have letters, digits, ".", "_" and "-"',
    });
  }
  const names = new UsedNames(join(workRoot, 'names'));
  const name = await reserveName(root, names, stem, call);
  const directory = join(root, name);
  const files = join(workRoot, `gomote-${name}-${randomBytes(4).toString('hex')}`);
  const made = [directory, files];
  try {
    mkdirSync(files, { mode: 0o700 });
    const workDir = join(files, 'work');
    mkdirSync(workDir, { mode: 0o700 });
    const socket = socketPath(directory, temporary);
    if (dirname(socket) !== directory) made.push(dirname(socket));
    const password = randomBytes(24).toString('hex');
    replaceFile(passwordPath(directory), `${password}\n`);
    const owned = places.users && (await import('./own-users.ts'));
    if (owned) await (await import('./claimed-ids.ts')).removeVoidClaims();
    // From here to its record nothing waits: two buildlets never get one id.
    const uid = places.users && owned?.takeId(directory, places.users);
    if (uid !== undefined) owned?.createUserDirectories(uid, files, workDir);
    const record: LocalRecord = {
      name,
      owner: call.user,
      builderType: builder.name,
      hostType: builder.hostType,
      created: new Date().toISOString(),
      socket,
      workDir,
      ...(call.labels && { labels: call.labels }),
      ...(call.host.caches?.length && { cachesOf: call.cacheOwner ?? call.user }),
      ...(uid !== undefined && { uid }),
    };
    writeRecord(directory, record);
    return { directory, record };
  } catch (error) {
    for (const path of made) await removeTree(path);
    throw error;
  }
}

/** Creates the directory of a name that was not used recently: of many at once, only one succeeds. */
async function reserveName(
  root: string,
  names: UsedNames,
  stem: string,
  { number, signal }: { readonly number?: NameNumber | undefined; readonly signal: AbortSignal },
): Promise<string> {
  const { least = 0, exact } = number ?? {};
  for (;;) {
    signal.throwIfAborted();
    const name = exact === undefined ? names.take(stem, undefined, least) : `${stem}-${exact}`;
    if (exact !== undefined && !names.takeThis(name)) throw taken(name);
    try {
      await mkdir(join(root, name), { mode: 0o700 });
      return name;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      if (exact !== undefined) throw taken(name);
    }
  }
}

const taken = (name: string): GomoteError =>
  new GomoteError('ERR_NAME_TAKEN', `the name ${name} is taken`);

/** The socket of the buildlet in `directory`: there, or in a new short directory when that path is too long. */
function socketPath(directory: string, temporary: string): string {
  const path = join(directory, 'socket');
  if (Buffer.byteLength(path) <= socketPathLimitBytes) return path;
  const stem = join(temporary, 'gomote-');
  const isShort = Buffer.byteLength(join(`${stem}xxxxxx`, 'socket')) <= socketPathLimitBytes;
  return join(mkdtempSync(isShort ? stem : '/tmp/gomote-'), 'socket');
}
