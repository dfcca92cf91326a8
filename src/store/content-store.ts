// Stores contents by their SHA-256 on disk. The disk may be full or damaged, and several processes may write. A store is
// a cache: its failures affect nobody, and the content that it returns has the requested digest.
import { createHash, hash, randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { ifThere } from '../files/if-there.ts';
import { makePrivateDirectory } from '../files/private-directory.ts';
import type { Contents, ContentWriter } from './contents.ts';
import { evict, removePack } from './eviction.ts';
import { createFile, OwnPack, writeNew } from './own-pack.ts';
import { maxRecords, Pack, type Place, recordBytes } from './pack.ts';
import { PiecewiseWriter, smallBytes } from './piecewise-writer.ts';
import { minStoreBytes } from './store-size.ts';

export interface StoreOptions {
  /** A private directory, which is created; its rooms share the size limit. */
  readonly root: string;
  /** The owner of the contents: rooms share nothing. */
  readonly room: string;
  readonly limitBytes: number;
}

const maxPackBytes = 64 << 20;
/** After a failure, such as a full disk, nothing is stored for this time, in ms. */
const restMs = 60_000;
const readBytes = 1 << 20;
/** The length of the time in a pack's name, in ms to the base 36. */
const timeDigits = 9;
/** One part in this many of the disk is left free. */
const keptFree = 20;
/** Of more contents, the oldest packs are ignored: commands in a container can write lists of any length. */
const maxListBytes = 2 * maxRecords * recordBytes;
/** Combines the number of a pack and that of a record. */
const packUnit = 2 * maxRecords;

/** 48 bits of the digest; the record has all of it. */
const keyOf = (digest: string): number => Number.parseInt(digest.slice(0, 12), 16);

export class ContentStore implements Contents {
  readonly #options: StoreOptions;
  readonly directory: string;
  readonly #packs: (Pack | undefined)[] = [];
  readonly #byStem = new Map<string, number>();
  /** Packs that have a list but cannot be read. */
  readonly #unread = new Set<string>();
  /** The position of each record, by key. */
  readonly #index = new Map<number, number>();
  readonly #packBytes: number;
  #own: OwnPack | undefined;
  #restsUntilMs = 0;

  /** Throws ERR_CONFIG when other users could change the contents. */
  constructor(options: StoreOptions) {
    this.#options = options;
    this.directory = join(options.root, options.room);
    this.#packBytes = Math.min(maxPackBytes, Math.floor(options.limitBytes / 8));
    makePrivateDirectory(this.directory, 'the content store');
    this.refresh();
  }

  /** The number of known contents. */
  get count(): number {
    return this.#index.size;
  }

  /** Picks up the changes of other processes. */
  refresh(): void {
    this.#quietly(() => {
      let left = maxListBytes;
      const stems = this.#names()
        .filter((name) => name.endsWith('.list'))
        .sort()
        .reverse()
        .filter((name) => {
          left -= lstatSync(join(this.directory, name), { throwIfNoEntry: false })?.size ?? 0;
          return left >= 0;
        })
        .map((name) => join(this.directory, name.slice(0, -'.list'.length)))
        // The later of two copies counts: the earlier one may be damaged.
        .reverse();
      const there = new Set(stems);
      for (const [stem, number] of this.#byStem) if (!there.has(stem)) this.#forget(stem, number);
      for (const stem of stems) {
        if (stem !== this.#own?.pack.stem && !this.#unread.has(stem)) this.#learn(stem);
      }
    });
  }

  #learn(stem: string): void {
    const number = this.#byStem.get(stem) ?? this.#packs.length;
    const pack = this.#packs[number] ?? new Pack(stem);
    const from = pack.count;
    try {
      pack.readList();
    } catch {
      this.#forget(stem, number);
      return;
    }
    this.#packs[number] = pack;
    this.#byStem.set(stem, number);
    this.#note(number, from);
  }

  #note(number: number, from: number): void {
    const pack = this.#packs[number];
    for (let index = from; pack !== undefined && index < pack.count; index++) {
      this.#index.set(keyOf(pack.digestOf(index)), number * packUnit + index);
    }
  }

  #forgetPack({ stem }: Pack): void {
    const number = this.#byStem.get(stem);
    if (number !== undefined) this.#forget(stem, number);
  }

  #forget(stem: string, number: number): void {
    this.#packs[number]?.close();
    this.#packs[number] = undefined;
    this.#byStem.delete(stem);
    if (this.#own?.pack.stem === stem) this.#closeOwn();
    for (const [key, value] of this.#index) {
      if (Math.floor(value / packUnit) === number) this.#index.delete(key);
    }
  }

  #find(digest: string, size: number): { pack: Pack; place: Place } | undefined {
    const value = this.#index.get(keyOf(digest));
    if (value === undefined) return undefined;
    const pack = this.#packs[Math.floor(value / packUnit)];
    const index = value % packUnit;
    if (pack === undefined || pack.digestOf(index) !== digest) return undefined;
    const place = pack.placeOf(index);
    return place.length === size ? { pack, place } : undefined;
  }

  has(digest: string, size: number): boolean {
    return this.#find(digest, size) !== undefined;
  }

  get(digest: string, size: number): Buffer | undefined {
    const pieces = this.read(digest, size, size);
    if (pieces === undefined) return undefined;
    const [content = Buffer.alloc(0)] = pieces;
    if (content.length === size && hash('sha256', content, 'hex') === digest) return content;
    this.damaged(digest);
    return undefined;
  }

  read(digest: string, size: number, pieceBytes?: number): Iterable<Buffer> | undefined {
    if (this.#own?.isPending === true) this.flush();
    const found = this.#find(digest, size);
    return found && this.#pieces(found.pack, found.place, pieceBytes);
  }

  *#pieces(pack: Pack, { at, length }: Place, most = readBytes): Generator<Buffer, void, void> {
    const memory = Buffer.allocUnsafeSlow(Math.min(length, most));
    for (let done = 0; done < length; ) {
      const piece = memory.subarray(0, length - done);
      let got = 0;
      try {
        got = pack.read(piece, at + done);
      } catch {
        this.#unread.add(pack.stem);
        this.#forgetPack(pack);
        return;
      }
      if (got < piece.length) return;
      yield piece;
      done += got;
    }
  }

  /** Whether it has the content undamaged: what is sent although it is here may have been found to be damaged. */
  #isWhole(digest: string, size: number): boolean {
    const found = this.#find(digest, size);
    if (found === undefined) return false;
    const own = this.#own?.pack === found.pack ? this.#own : undefined;
    if (size === 0 || own?.isPendingAt(found.place) === true) return true;
    const sha256 = createHash('sha256');
    for (const piece of this.#pieces(found.pack, found.place)) sha256.update(piece);
    if (sha256.digest('hex') === digest) return true;
    this.damaged(digest);
    return false;
  }

  damaged(digest: string): void {
    this.#index.delete(keyOf(digest));
  }

  put(digest: string, content: Buffer): void {
    if (!this.#takes(content.length) || this.#isWhole(digest, content.length)) return;
    if (content.length > smallBytes) {
      const writer = this.begin();
      writer.write(content);
      writer.end(digest);
      return;
    }
    if (this.#own?.isFull(content.length, this.#packBytes)) {
      this.#closeOwn();
    }
    this.#quietly(() => {
      this.#own ??= this.#newPack();
      const from = this.#own.pack.count;
      this.#own.put(digest, content);
      this.#note(this.#byStem.get(this.#own.pack.stem) ?? 0, from);
    });
  }

  begin(): ContentWriter {
    return new PiecewiseWriter({
      put: (digest, content) => this.put(digest, content),
      open: () => {
        const stem = this.#newStem();
        return { stem, fd: createFile(`${stem}.pack`) };
      },
      isWhole: (digest, size) => this.#isWhole(digest, size),
      takes: (size) => this.#takes(size),
      added: (stem, record) => {
        writeNew(`${stem}.list`, record);
        this.#learn(stem);
        this.#makeRoom();
      },
    });
  }

  #takes(size: number): boolean {
    const { limitBytes } = this.#options;
    return limitBytes >= minStoreBytes && size <= limitBytes / 2 && Date.now() > this.#restsUntilMs;
  }

  /** The files in its directory, which may be removed at any time, and is made again. */
  #names(): string[] {
    const names = ifThere(() => readdirSync(this.directory));
    if (names === undefined) makePrivateDirectory(this.directory, 'the content store');
    return names ?? [];
  }

  /** Its time is later than that of every pack here, also in the same millisecond or after the clock was set back. */
  #newStem(): string {
    let atMs = Date.now();
    for (const name of this.#names()) {
      const takenMs = Number.parseInt(name.slice(0, timeDigits), 36);
      if (takenMs >= atMs) atMs = takenMs + 1;
    }
    const time = atMs.toString(36).padStart(timeDigits, '0');
    return join(this.directory, `${time}-${randomBytes(6).toString('hex')}`);
  }

  #newPack(): OwnPack {
    this.#makeRoom();
    const own = new OwnPack(this.#newStem());
    this.#byStem.set(own.pack.stem, this.#packs.length);
    this.#packs.push(own.pack);
    return own;
  }

  #makeRoom(): void {
    const { root, limitBytes } = this.#options;
    const most = limitBytes - this.#packBytes;
    const used = evict(root, most);
    const { bavail, blocks, bsize } = statfsSync(root);
    // Leave the rest of the disk to others.
    const free = bavail * bsize - (blocks * bsize) / keptFree - this.#packBytes;
    if (free < 0 && evict(root, used + free) + free < 0) throw new Error('the disk is full');
  }

  flush(): void {
    this.#quietly(() => this.#own?.flush());
  }

  close(): void {
    this.#closeOwn();
    for (const pack of this.#packs) pack?.close();
  }

  #closeOwn(): void {
    const own = this.#own;
    this.flush();
    this.#own = undefined;
    own?.close();
  }

  /** Runs `work`; if that fails, nothing is stored for a while. */
  #quietly(work: () => void): void {
    try {
      work();
    } catch {
      this.#restsUntilMs = Date.now() + restMs;
      const own = this.#own;
      this.#own = undefined;
      own?.close();
      if (own === undefined) return;
      removePack(own.pack.stem);
      this.#forgetPack(own.pack);
    }
  }
}
