// Groups of buildlets, in the files of Go's gomote: a directory for each group, an empty file for each member.
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { checkDirectory } from '../../files/private-directory.ts';
import { fileOfName, nameOfFile } from '../file-of-name.ts';

export interface Group {
  readonly name: string;
  readonly members: readonly string[];
}

const ending = '.instances';

/** A valid group name: a single path element that is not hidden. */
const groupName = /^(?!\.)[^/\p{Cc}\p{Cs}]{1,200}$/u;

export class Groups {
  readonly #directory: string;

  /** @param configDir Where the configuration is. */
  constructor(configDir: string) {
    this.#directory = join(configDir, 'groups');
  }

  all(): Group[] {
    return (this.#readIfThere(this.#directory) ?? [])
      .filter((file) => file.endsWith(ending))
      .map((file) => file.slice(0, -ending.length))
      .flatMap((name) => this.find(name) ?? []);
  }

  find(name: string): Group | undefined {
    if (!groupName.test(name)) return undefined;
    const files = this.#readIfThere(this.#path(name));
    const members = files?.filter((file) => !file.startsWith('.')).map(nameOfFile);
    return members && { name, members };
  }

  /** Throws ERR_USAGE when there is none of that name. */
  get(name: string): Group {
    const found = this.find(name);
    if (found !== undefined) return found;
    throw new GomoteError('ERR_USAGE', `group "${name}" does not exist`, {
      hint: `gomote group create ${name}`,
    });
  }

  /** Throws ERR_CONFLICT when it is there already, ERR_USAGE for what cannot be a name. */
  requireNew(name: string): void {
    if (this.find(name) !== undefined) throw alreadyThere(name);
    if (!groupName.test(name)) {
      throw new GomoteError('ERR_USAGE', `"${name}" cannot be the name of a group`, {
        hint: 'give up to 200 characters, no / among them and no . first',
      });
    }
  }

  create(name: string): void {
    this.requireNew(name);
    this.#checked(() => {
      checkDirectory(this.#directory, { ...rule, make: true });
      try {
        mkdirSync(this.#path(name), { mode: 0o755 });
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
        throw alreadyThere(name);
      }
    });
  }

  destroy(name: string): void {
    this.get(name);
    this.#checked(() => {
      // A concurrent reader sees all of it or nothing.
      const leaving = `${this.#path(name)}.deleting`;
      rmSync(leaving, { recursive: true, force: true });
      renameSync(this.#path(name), leaving);
      rmSync(leaving, { recursive: true, force: true });
    });
  }

  add(name: string, members: readonly string[]): void {
    this.#checked(() => {
      for (const member of members) writeFileSync(this.#member(name, member), '', { flag: 'a' });
    });
  }

  remove(name: string, members: readonly string[]): void {
    this.#checked(() => {
      for (const member of members) rmSync(this.#member(name, member), { force: true });
    });
  }

  /** Removes the members from all groups, because they have ended, or because their names are being reused. */
  prune(members: readonly string[]): void {
    for (const { name } of this.all()) this.remove(name, members);
  }

  of(member: string): string[] {
    return this.all()
      .filter(({ members }) => members.includes(member))
      .map(({ name }) => name);
  }

  #path(name: string): string {
    return join(this.#directory, `${name}${ending}`);
  }

  #member(name: string, member: string): string {
    return join(this.#path(name), fileOfName(member));
  }

  #readIfThere(directory: string): string[] | undefined {
    return this.#checked(() => {
      if (!checkDirectory(directory, rule)) return undefined;
      return readdirSync(directory).sort();
    });
  }

  #checked<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof GomoteError) throw error;
      throw new GomoteError('ERR_LOCAL_FILE', `the groups of buildlets: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

const alreadyThere = (name: string): GomoteError =>
  new GomoteError('ERR_CONFLICT', `group "${name}" already exists`, {
    hint: `give --group ${name}`,
  });

const rule = {
  what: 'the directory of groups',
  cure: 'set GOMOTE_CONFIG_DIR',
  access: 'readable',
  links: 'anywhere',
} as const;
