// All sessions: in memory, and each in a file of its own, written before anything is done that depends on it.
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { GomoteError, messageOf } from '../../errors.ts';
import { reasonOf } from '../../files/local-error.ts';
import { partialEnding, writeWhole } from '../../files/write-whole.ts';
import { quoted } from '../../printable.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { type Session, sessionSchema } from '../sessions/session.ts';
import { Turns } from './turns.ts';

/** A session whose file cannot be read: its machine may be in use. */
interface UnreadSession {
  readonly name: string;
  /** Undefined when it cannot be made out. */
  readonly machine: string | undefined;
  readonly pool: string | undefined;
}

/** The suffix of a file that is not a session, until an operator has fixed or removed it. */
const brokenEnding = '.broken';

/** How often the disk is tried at most, in ms. */
const checkIntervalMs = 1_000;

export class SessionBook {
  readonly #directory: string;
  readonly #unread: UnreadSession[] = [];
  #check: { readonly atMs: number; readonly result: Promise<string | undefined> } | undefined;
  readonly #sessions = new Map<string, Session>();
  /** The names of those whose current state is not on the disk. */
  readonly #noted = new Set<string>();
  readonly #writes = new Turns();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads all files; an unreadable one is renamed, and `onTrouble` is called. */
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
      await book.#read(file).catch((error: unknown) => onTrouble(`${path} is no session`, error));
    }
    return book;
  }

  async #read(file: string): Promise<void> {
    const path = join(this.#directory, file);
    const [name = ''] = /^.*(?=\.json)/.exec(file) ?? [];
    let text: string | undefined;
    try {
      text = await readFile(path, 'utf8');
      const session = v.parse(sessionSchema, JSON.parse(text));
      if (`${session.name}.json` !== file) throw new Error(`it is of "${session.name}"`);
      this.#sessions.set(session.name, session);
    } catch (error) {
      // Of a file that was damaged, these are often whole.
      const [, machine] = /"machine":"([^"\\]+)"/.exec(text ?? '') ?? [];
      const [, pool] = /"pool":"([^"\\]+)"/.exec(text ?? '') ?? [];
      if (name !== '') this.#unread.push({ name, machine, pool });
      // What cannot be read at all may be read again.
      if (text !== undefined && file === `${name}.json`) {
        await rename(path, `${path}${brokenEnding}`).catch(() => undefined);
      }
      throw error;
    }
  }

  /** Those whose files cannot be read. */
  get unread(): readonly UnreadSession[] {
    return this.#unread;
  }

  /** Why a machine is kept that no session has. */
  whyKept(machine: string): string {
    const known = this.#unread.filter((one) => one.machine === machine);
    const possible = this.#unread.filter((one) => one.machine === undefined);
    const [is, files] = known.length > 0 ? ['is', known] : ['may be', possible];
    const names = files.map(({ name }) => name).join(' or ');
    return `kept: it ${is} the machine of ${names}, whose file cannot be read`;
  }

  /** Why nothing can be written at the moment. The disk is tried, at most once a second. */
  async check(): Promise<string | undefined> {
    const nowMs = performance.now();
    if (this.#check === undefined || nowMs - this.#check.atMs > checkIntervalMs) {
      const result = this.#tryDisk();
      this.#check = { atMs: nowMs, result };
    }
    return await this.#check.result;
  }

  async #tryDisk(): Promise<string | undefined> {
    const path = join(this.#directory, `check${partialEnding}`);
    try {
      await writeWhole(path, ' '.repeat(4_096));
      await rm(path, { force: true });
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  get(name: string): Session | undefined {
    return this.#sessions.get(name);
  }

  has(name: string): boolean {
    return this.#sessions.has(name) || this.#unread.some((one) => one.name === name);
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
    await this.#writes.take(name, async () => {
      // A session saved again meanwhile is written as it is by then; one removed is not written at all.
      const latest = this.#sessions.get(name);
      if (latest === undefined) return;
      await this.#write(name, JSON.stringify(latest));
      if (this.#sessions.get(name) === latest) this.#noted.delete(name);
    });
  }

  /** Fails with an error for users: without a path, and without suggesting that they had asked for a file. */
  async #write(name: string, text: string): Promise<void> {
    const path = this.#path(name);
    try {
      await writeWhole(path, text);
    } catch (error) {
      const why = reasonOf(error);
      const message = `the coordinator cannot save the state of ${name}: ${why}`;
      throw new GomoteError('ERR_CONFIG', message, { cause: error });
    }
  }

  /** Adds the session; the next `save` or `flush` writes it to the disk. */
  note(session: Session): void {
    this.#sessions.set(session.name, session);
    this.#noted.add(session.name);
  }

  /** Takes the session out at once, and resolves when it is not on the disk either. When that fails, it is in again. */
  async remove(name: string): Promise<void> {
    const session = this.#sessions.get(name);
    this.#sessions.delete(name);
    this.#noted.delete(name);
    try {
      await this.#writes.take(name, async () => {
        if (!this.#sessions.has(name)) await rm(this.#path(name), { force: true });
      });
    } catch (error) {
      if (session !== undefined && !this.#sessions.has(name)) this.#sessions.set(name, session);
      throw error;
    }
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

  readonly #path = (name: string): string => {
    if (buildletName.test(name)) return join(this.#directory, `${name}.json`);
    throw new GomoteError('ERR_PATH', `a session cannot be called ${quoted(name)}`);
  };
}
