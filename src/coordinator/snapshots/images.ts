// The images of snapshots, which are where their machines are. Each is noted before it is made, and until it is removed.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import type { KeptImage } from '../../backends/backend.ts';
import { GomoteError, messageOf } from '../../errors.ts';
import { hasPrivateDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { syncDirectory, writeWhole } from '../../files/write-whole.ts';
import { parseBy } from '../../protocol/reply-fields.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Log } from '../log.ts';
import type { MachineImage, Pool, PoolImages } from '../pools/pool.ts';
import { retry } from '../pools/retry.ts';
import type { Session } from '../sessions/session.ts';

/** An image that belongs to a snapshot. */
export interface SnapshotImage extends MachineImage {
  /** The name by which it can be removed. */
  readonly id: string;
}

/** Where machines and images are, at the moment. */
export interface ImagePlaces {
  poolOf(session: Session): Pool;
  /** Of any pool of that place. */
  imagesAt(place: string): PoolImages | undefined;
}

interface SnapshotImagesOptions {
  readonly stateDirectory: string;
  readonly places: () => ImagePlaces;
  readonly log: Log;
}

/** The snapshot that an image belongs to. */
interface Place {
  /** The directory of its user. */
  readonly room: string;
  readonly tag: string;
}

const what = 'the directory of images';

const schema = v.object({
  place: v.string(),
  hostType: v.string(),
  room: v.string(),
  tag: v.string(),
  /** Absent while it is made. */
  image: v.optional(v.string()),
});

/** How long it may take to remove an image, in ms. */
const removalMs = 60_000;

const firstRetryMs = 1_000;
const longestRetryMs = 300_000;

export class SnapshotImages {
  readonly #options: SnapshotImagesOptions;
  readonly #directory: string;
  readonly #closed = new AbortController();

  constructor(options: SnapshotImagesOptions) {
    this.#options = options;
    this.#directory = join(options.stateDirectory, 'snapshot-images');
  }

  /** Makes an image of the session's machine. Throws ERR_UNSUPPORTED where its pool cannot. */
  async keep(
    session: Session,
    { room, tag }: Place,
    signal: AbortSignal,
  ): Promise<{ id: string; bytes: number }> {
    const { name, images } = this.#options.places().poolOf(session);
    if (images === undefined || session.machine === undefined) {
      const message = `the pool "${name}" keeps no images of machines: only the kind "files" is for it`;
      throw new GomoteError('ERR_UNSUPPORTED', message);
    }
    makePrivateDirectory(this.#directory, what);
    const id = randomBytes(12).toString('hex');
    const note = { place: images.place, hostType: session.hostType, room, tag };
    await this.#write(id, note);
    let kept: KeptImage;
    try {
      kept = await images.keep(session.machine, { id, signal });
      await this.#write(id, { ...note, image: kept.image });
    } catch (error) {
      this.removeLater(id);
      throw error;
    }
    return { id, bytes: kept.bytes };
  }

  async #write(id: string, note: v.InferOutput<typeof schema>): Promise<void> {
    await writeWhole(this.#path(id), JSON.stringify(note));
    await syncDirectory(this.#directory);
  }

  /** Throws ERR_UNKNOWN_SNAPSHOT when it is not there any more. */
  get(id: string): SnapshotImage {
    const note = this.#read(id);
    if (note?.image !== undefined) return { ...note, id, image: note.image };
    const message = 'the image of the snapshot is no longer there: remove it, and make another';
    throw new GomoteError('ERR_UNKNOWN_SNAPSHOT', message);
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }

  #read(id: string): v.InferOutput<typeof schema> | undefined {
    try {
      return parseBy(schema, readFileSync(this.#path(id), 'utf8'));
    } catch {
      return undefined;
    }
  }

  #ids(): string[] {
    if (!hasPrivateDirectory(this.#directory, what)) return [];
    return readdirSync(this.#directory).flatMap(
      (name) => /^([0-9a-f]{24})\.json$/.exec(name)?.[1] ?? [],
    );
  }

  /** Removes those of a snapshot. Throws ERR_CONFLICT while machines use one. */
  async removeOf({ room, tag }: Place): Promise<void> {
    for (const id of this.#ids()) {
      const note = this.#read(id);
      if (note?.room === room && note.tag === tag) await this.#remove(id, timeoutSignal(removalMs));
    }
  }

  /** One that no pool can reach is left, with its note: a later start finds it if there is such a pool again. */
  async #remove(id: string, signal: AbortSignal): Promise<void> {
    const note = this.#read(id);
    if (note === undefined) return;
    const images = this.#options.places().imagesAt(note.place);
    if (images !== undefined) {
      await images.remove(id, { signal });
      rmSync(this.#path(id), { force: true });
      return;
    }
    await this.#write(id, { ...note, room: '', tag: '' });
    const reason = `the image gomote-snapshot ${id} is left: no pool is at ${note.place} any more`;
    this.#options.log.write('trouble', { what: reason });
  }

  /** Removes an image in the background, however long its place does not answer. */
  removeLater(id: string): void {
    const work = (signal: AbortSignal) => this.#remove(id, signal);
    void retry(work, {
      ...{ signal: this.#closed.signal, firstWaitMs: firstRetryMs, longestWaitMs: longestRetryMs },
      onFailure: (error) =>
        this.#options.log.write('trouble', {
          what: `removing the image of a snapshot: ${messageOf(error)}`,
        }),
    });
  }

  /** At the start: removes what belongs to no snapshot. */
  sweep(isOf: (id: string, place: Place) => boolean): void {
    for (const id of this.#ids()) {
      const note = this.#read(id);
      if (note !== undefined && !isOf(id, note)) this.removeLater(id);
    }
  }

  /** Ends what happens in the background. */
  close(): void {
    this.#closed.abort();
  }
}
