// The images of snapshots, which are at their backends.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import type { AnyBackend, KeptImage, SnapshotServer } from '../backends/backend.ts';
import { GomoteError } from '../errors.ts';
import { writeWhole } from '../files/write-whole.ts';
import { parseBy } from '../protocol/reply-fields.ts';
import { timeoutSignal } from '../timeout-signal.ts';
import type { Backends } from './backends.ts';

/** What a snapshot's directory has beside its record, before there is an image: what may have to be removed. */
const fileName = 'image.json';

const schema = v.object({ backend: v.string(), id: v.pipe(v.string(), v.regex(/^[0-9a-f]{24}$/)) });

/** How long it may take to remove an image, in ms. */
const removalMs = 60_000;

/** Throws ERR_UNSUPPORTED. */
export function requireImages(
  { name, keepImage, imagesHaveWorkDir, snapshots }: AnyBackend,
  server: SnapshotServer | undefined,
  excluded: readonly string[],
): void {
  if (imagesHaveWorkDir && excluded.length > 0) {
    throw new GomoteError('ERR_UNSUPPORTED', `an image of "${name}" has the whole work directory`, {
      hint: 'leave --exclude out, or --kind',
    });
  }
  if (keepImage !== undefined || server?.keepsImages === true) return;
  if (server === undefined && snapshots !== undefined) {
    const message = `images of machines of "${name}" are kept there, or not at all`;
    throw new GomoteError('ERR_UNSUPPORTED', message, { hint: 'leave --here out, or --kind' });
  }
  if (server !== undefined) {
    const message = `the coordinator "${name}" does not know the kind "image"`;
    throw new GomoteError('ERR_UNSUPPORTED', message, {
      hint: 'leave --kind out, or run a newer coordinator there',
    });
  }
  throw new GomoteError('ERR_UNSUPPORTED', `the backend "${name}" keeps no images of machines`, {
    hint: 'leave --kind out: the kind "files" has the work directory, and works everywhere',
  });
}

/** Keeps an image of the buildlet's machine, which belongs to the snapshot in that directory. */
export async function saveImage(
  backend: AnyBackend,
  buildlet: string,
  directory: string,
  signal: AbortSignal,
): Promise<KeptImage | undefined> {
  const id = randomBytes(12).toString('hex');
  await writeWhole(join(directory, fileName), JSON.stringify({ backend: backend.name, id }));
  return await backend.keepImage?.(buildlet, { id, signal });
}

/** Removes the image that belongs to the snapshot in that directory, if any. */
export async function dropImage(directory: string, backends: Backends): Promise<void> {
  let text: string;
  try {
    text = readFileSync(join(directory, fileName), 'utf8');
  } catch {
    return;
  }
  const found = parseBy(schema, text);
  // Nobody can ask a backend that is not configured any more.
  if (found === undefined || (await backends.configOf(found.backend)) === undefined) return;
  const backend = await backends.open(found.backend);
  await backend.removeImage?.(found.id, { signal: timeoutSignal(removalMs) });
}
