// Caches of this machine: directories that outlive the buildlets which use them.
//
// Each is `<owner>/<name>/` with `content`, which commands see, and `users`, a file for each buildlet that has it. A user counts
// while its buildlet lives; what a killed process has left is removed by the next.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';
import type { LocalMachine } from '../../builders.ts';
import type { CachePlace } from '../../buildlet/caches.ts';
import type { GomoteError } from '../../errors.ts';
import { withFileLock } from '../../files/file-lock.ts';
import { ifThere } from '../../files/if-there.ts';
import { hasPrivateDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { userDirectory } from '../../files/user-directories.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { type Cache, cacheModes, cacheName } from '../../protocol/cache.ts';
import type { KeptCache } from '../backend.ts';
import { cacheInUse } from '../buildlet-errors.ts';
import { checkPlaces } from './cache-places.ts';
import { isRunning } from './process.ts';
import { readRecord } from './record.ts';

const what = 'the directory of caches';
const cure = 'set XDG_CACHE_HOME';

/** The owner of what all have. No user is called so. */
const everybody = '+shared';

/** Content that is being removed. */
const oldContent = /^\.old-[0-9a-f]{16}$/;

/** How long a buildlet may take to start, in ms. */
const startMs = 60_000;

const userSchema = v.object({
  buildlet: v.string(),
  /** Of its record. */
  directory: v.string(),
  mode: v.picklist(cacheModes),
  maxBytes: v.optional(v.number()),
  /** The process that makes it. */
  pid: v.number(),
});
type User = v.InferOutput<typeof userSchema>;

interface Taker {
  /** The buildlet's name. */
  readonly buildlet: string;
  /** Of its record. */
  readonly directory: string;
  /** The directory with its work directory. */
  readonly files: string;
  readonly owner: string;
}

/** @param root The directory that is private to this process, if it has one. */
export const openCaches = (environment: NodeJS.ProcessEnv, root: string | undefined) =>
  new CacheDirectories(
    root === undefined
      ? join(userDirectory(environment, 'XDG_CACHE_HOME', '.cache'), 'gomote', 'caches')
      : join(root, 'caches'),
  );

export class CacheDirectories {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Gives the buildlet all of them, or none. Throws ERR_CONFLICT when one is held by another. */
  async take(caches: readonly Cache[], taker: Taker, machine: LocalMachine): Promise<CachePlace[]> {
    checkPlaces(caches, machine, taker.files);
    if (!buildletName.test(taker.owner)) throw new Error(`no owner of caches: ${taker.owner}`);
    try {
      const places: CachePlace[] = [];
      for (const cache of caches) {
        places.push({ path: cache.path, directory: await this.#takeOne(cache, taker) });
      }
      return places;
    } catch (error) {
      await this.release(taker.buildlet, taker.owner);
      throw error;
    }
  }

  async #takeOne({ name, mode = 'shared', maxBytes, shared }: Cache, taker: Taker) {
    const { buildlet, directory } = taker;
    const owner = join(this.#root, shared ? everybody : taker.owner);
    makePrivateDirectory(owner, what, cure);
    const place = join(owner, name);
    return await this.#locked(owner, place, async (users) => {
      const [other] = users.filter((user) => mode === 'exclusive' || user.mode === 'exclusive');
      if (other !== undefined) throw held(name, other);
      makePrivateDirectory(join(place, 'users'), what, cure);
      if (users.length === 0) await trim(place, maxBytes);
      const content = join(place, 'content');
      makeContent(content);
      const { pid } = process;
      const user: User = { buildlet, directory, mode, pid, ...(maxBytes && { maxBytes }) };
      replaceFile(join(place, 'users', buildlet), JSON.stringify(user));
      return content;
    });
  }

  /** The buildlet has ended. */
  async release(buildlet: string, given: string): Promise<void> {
    for (const owner of [given, everybody].map((one) => join(this.#root, one))) {
      for (const name of cachesIn(owner)) {
        const place = join(owner, name);
        const path = join(place, 'users', buildlet);
        const user = userIn(path);
        if (user === undefined) continue;
        await this.#locked(owner, place, async (users) => {
          rmSync(path, { force: true });
          if (users.every((one) => one.buildlet === buildlet)) await trim(place, user.maxBytes);
        });
      }
    }
  }

  /** @param owner Absent: everybody's. */
  async list(owner: string | undefined): Promise<KeptCache[]> {
    const found = this.#owners(owner).flatMap((one) =>
      cachesIn(join(this.#root, one)).map((name) => ({ one, name })),
    );
    return await Promise.all(
      found.map(async ({ one, name }): Promise<KeptCache> => {
        const place = join(this.#root, one, name);
        return {
          name,
          owner: one === everybody ? undefined : one,
          bytes: await sizeOf(join(place, 'content')),
          used: statSync(join(place, 'users'), { throwIfNoEntry: false })?.mtime,
          buildlets: (await livingUsers(place)).map(({ buildlet }) => buildlet),
        };
      }),
    );
  }

  /** Removes it. Returns whether there was one. Throws ERR_CONFLICT while a buildlet uses it. */
  async purge(name: string, owner: string | undefined): Promise<boolean> {
    let isFound = false;
    for (const one of this.#owners(owner).map((each) => join(this.#root, each))) {
      if (!cachesIn(one).includes(name)) continue;
      isFound = true;
      const place = join(one, name);
      await this.#locked(one, place, async ([user]) => {
        if (user !== undefined) throw held(name, user);
        await empty(place);
        await removeTree(place);
      });
    }
    return isFound;
  }

  #owners(owner: string | undefined): string[] {
    if (!hasPrivateDirectory(this.#root, what, cure)) return [];
    return directoriesIn(this.#root).filter((one) => owner === undefined || one === owner);
  }

  /** With those that use it now, and nothing of those who were killed. */
  async #locked<T>(
    owner: string,
    place: string,
    work: (users: readonly User[]) => Promise<T>,
  ): Promise<T> {
    // No cache has a name that begins so.
    return await withFileLock(join(owner, '.caches'), async () => {
      const users = await livingUsers(place);
      const living = users.map(({ buildlet }) => buildlet);
      for (const name of namesIn(join(place, 'users'))) {
        if (!living.includes(name)) rmSync(join(place, 'users', name), { force: true });
      }
      for (const name of namesIn(place)) {
        if (oldContent.test(name)) await removeTree(join(place, name));
      }
      return await work(users);
    });
  }
}

/** A command may have opened it to others, whom the directories above it keep out. */
function makeContent(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) chmodSync(path, 0o700);
  makePrivateDirectory(path, what, cure);
}

const held = (name: string, { buildlet, mode }: User): GomoteError =>
  cacheInUse(name, buildlet, mode === 'exclusive');

const namesIn = (directory: string): string[] =>
  ifThere(() => readdirSync(directory), 'ENOTDIR') ?? [];

/** Nobody but a person puts anything else there. */
const directoriesIn = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

const cachesIn = (owner: string): string[] =>
  hasPrivateDirectory(owner, what, cure)
    ? directoriesIn(owner)
        .filter((name) => cacheName.test(name))
        .sort()
    : [];

async function livingUsers(place: string): Promise<User[]> {
  const users: User[] = [];
  for (const name of namesIn(join(place, 'users'))) {
    const user = userIn(join(place, 'users', name));
    if (user !== undefined && (await isAlive(user))) users.push(user);
  }
  return users;
}

/** Undefined for any other file. */
function userIn(path: string): User | undefined {
  try {
    const user = v.parse(userSchema, JSON.parse(readOwnFile(path)));
    return user.buildlet === basename(path) ? user : undefined;
  } catch {
    return undefined;
  }
}

async function isAlive({ buildlet, directory, pid }: User): Promise<boolean> {
  try {
    const record = readRecord(directory);
    if (record?.name !== buildlet) return false;
    if (record.pid !== undefined) return await isRunning(record);
    process.kill(pid, 0);
    return Date.now() - Date.parse(record.created) < startMs;
  } catch {
    return false;
  }
}

/** Empties it when it is too large. */
async function trim(place: string, maxBytes: number | undefined): Promise<void> {
  if (maxBytes === undefined) return;
  const bytes = await sizeOf(join(place, 'content'));
  if (bytes !== undefined && bytes > maxBytes) await empty(place);
}

/** Sets the content aside in one step, and removes it without following a link. */
async function empty(place: string): Promise<void> {
  const old = join(place, `.old-${randomBytes(8).toString('hex')}`);
  ifThere(() => renameSync(join(place, 'content'), old));
  await removeTree(old);
}

/** Its disk usage, by `du`, which follows no links and has no limit of depth; undefined where that fails. */
async function sizeOf(directory: string): Promise<number | undefined> {
  const { stdout } = await promisify(execFile)('du', ['-skx', directory], {
    maxBuffer: 64 << 20,
  }).catch((error: { readonly stdout?: string }) => ({ stdout: error.stdout ?? '' }));
  const kib = /(?:^|\n)([0-9]+)\t[^\n]*\n$/.exec(stdout)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}
