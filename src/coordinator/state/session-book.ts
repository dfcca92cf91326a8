// All sessions: in memory, and each in a file of its own, written before anything is done that depends on it.
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { GomoteError } from '../../errors.ts';
import { partialEnding, writeWhole } from '../../files/write-whole.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import type { Session } from '../sessions/session.ts';

const schema = v.object({
  name: v.string(),
  owner: v.string(),
  builderType: v.string(),
  hostType: v.string(),
  state: v.picklist(['creating', 'running', 'ending', 'dead']),
  createdMs: v.number(),
  expiresMs: v.number(),
  machine: v.optional(v.string()),
  key: v.optional(v.string()),
  isClaimed: v.boolean(),
  reason: v.optional(v.string()),
});

export class SessionBook {
  readonly #directory: string;
  readonly #sessions = new Map<string, Session>();
  /** The names of those that are not on the disk as they are. */
  readonly #noted = new Set<string>();
  /** The last write of each session under way: a later one waits for it. */
  readonly #writes = new Map<string, Promise<void>>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads what is there; files that are no sessions are told of and left alone. */
  static async open(
    directory: string,
    onTrouble: (what: string, error: unknown) => void,
  ): Promise<SessionBook> {
    const book = new SessionBook(directory);
    for (const file of await readdir(directory)) {
      const path = join(directory, file);
      if (file.endsWith(partialEnding)) {
        await rm(path, { force: true });
        continue;
      }
      try {
        const session: Session = v.parse(schema, JSON.parse(await readFile(path, 'utf8')));
        if (`${session.name}.json` !== file) throw new Error(`it is of "${session.name}"`);
        book.#sessions.set(session.name, session);
      } catch (error) {
        onTrouble(`${path} is no session`, error);
      }
    }
    return book;
  }

  get(name: string): Session | undefined {
    return this.#sessions.get(name);
  }

  has(name: string): boolean {
    return this.#sessions.has(name);
  }

  /** In the order they came. */
  all(): Session[] {
    return [...this.#sessions.values()];
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Takes the session in at once, and resolves when it is on the disk. One that cannot be written is tried at each `flush`. */
  async save(session: Session): Promise<void> {
    const { name } = session;
    this.#sessions.set(name, session);
    this.#noted.add(name);
    await this.#inOrder(name, async () => {
      // A session saved again meanwhile is written as it is by then; one removed is not written at all.
      const latest = this.#sessions.get(name);
      if (latest === undefined) return;
      await writeWhole(this.#path(name), JSON.stringify(latest));
      if (this.#sessions.get(name) === latest) this.#noted.delete(name);
    });
  }

  /** Takes the session in; on the disk it comes with the next `save` or `flush`. */
  note(session: Session): void {
    this.#sessions.set(session.name, session);
    this.#noted.add(session.name);
  }

  async remove(name: string): Promise<void> {
    this.#sessions.delete(name);
    this.#noted.delete(name);
    await this.#inOrder(name, async () => {
      if (!this.#sessions.has(name)) await rm(this.#path(name), { force: true });
    });
  }

  /** Writes what was only noted; fails when one of them cannot be written, and writes the others. */
  async flush(): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    for (const name of [...this.#noted]) {
      const session = this.#sessions.get(name);
      if (session === undefined) continue;
      await this.save(session).catch((error: unknown) => {
        failure ??= { error };
      });
    }
    if (failure !== undefined) throw failure.error;
  }

  async #inOrder(name: string, work: () => Promise<void>): Promise<void> {
    const before = this.#writes.get(name);
    const mine = (before ?? Promise.resolve()).catch(() => undefined).then(work);
    this.#writes.set(name, mine);
    try {
      await mine;
    } finally {
      if (this.#writes.get(name) === mine) this.#writes.delete(name);
    }
  }

  readonly #path = (name: string): string => {
    if (buildletName.test(name)) return join(this.#directory, `${name}.json`);
    throw new GomoteError('ERR_PATH', `a session cannot be called ${JSON.stringify(name)}`);
  };
}
