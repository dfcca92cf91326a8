// Images of buildlets: the file system of a container without its volumes, kept for later containers.
import * as v from 'valibot';
import { GomoteError, isStatus } from '../../errors.ts';
import type { BackendCall, ImageRequest, KeptImage } from '../backend.ts';
import { hidden, labels, listContainers } from './container.ts';
import type { Engine } from './engine.ts';
import { removeContainer } from './launch.ts';
import { refusalOf } from './refusal.ts';

const settings = v.object({
  Env: v.nullish(v.array(v.string())),
  Labels: v.nullish(v.record(v.string(), v.string())),
});

const inspectedContainer = v.object({ Image: v.string(), Config: settings });

const inspectedImage = v.object({
  Id: v.string(),
  Size: v.optional(v.number(), 0),
  Config: v.nullish(settings),
});

const listedImage = v.object({ Id: v.string(), Created: v.number() });

/** How long it may take to make an image, in ms. */
const youngMs = 3_600_000;

/** Its repository and tag. */
const nameOf = (id: string): string => `gomote-snapshot:${id}`;

/** Variables whose names cannot be written in a Dockerfile could not be left out. */
const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Commits the container. The engine pauses it meanwhile. Its volumes, and so the buildlet and its work directory, are not in the image. */
export async function keepImage(
  engine: Engine,
  id: string,
  { id: imageId, owner, signal }: ImageRequest & { readonly owner: string | undefined },
): Promise<KeptImage> {
  const reference = nameOf(imageId);
  const path = `/containers/${id}/json`;
  const container = v.parse(inspectedContainer, await engine.json({ method: 'GET', path, signal }));
  const base = await inspectImage(engine, container.Image, signal);
  // What an image of an image has of the first one counts, too: that may be removed before it.
  const baseBytes = Number(base.Config?.Labels?.[labels.baseBytes]) || base.Size;
  const changes = changesOf(container.Config, base.Config ?? {}, {
    [labels.role]: 'snapshot',
    [labels.created]: new Date().toISOString(),
    [labels.image]: imageId,
    [labels.baseBytes]: String(baseBytes),
    ...(owner !== undefined && { [labels.owner]: owner }),
  });
  try {
    signal.throwIfAborted();
    const first = await commit(engine, id, changes);
    try {
      await commitAgain(engine, first, reference);
    } finally {
      // The engine keeps it while another is made of it, and removes both together.
      await engine.json({ method: 'DELETE', path: `/images/${first}` }).catch(() => undefined);
    }
  } catch (error) {
    throw refusalOf('cannot make an image of the container', engine.url, error);
  }
  const made = await inspectImage(engine, reference, signal);
  return { image: made.Id, bytes: Math.max(0, made.Size - baseBytes) };
}

/** Returns the id of the image. Never cancelled: the engine might still carry it out. */
async function commit(
  engine: Engine,
  container: string,
  changes: readonly string[],
  reference?: string,
): Promise<string> {
  const [repo, tag] = reference?.split(':') ?? [];
  const query = { container, repo, tag, pause: '1', changes: changes.join('\n') };
  return await engine.make({ path: '/commit', query, json: {} });
}

/** Many engines put the whole configuration of the container into an image. That of this one, which is never started, has no secrets. */
async function commitAgain(engine: Engine, first: string, reference: string): Promise<void> {
  const json = {
    ...{ Image: first, Labels: { [labels.role]: 'filler' } },
    HostConfig: { NetworkMode: 'none' },
  };
  const id = await engine.make({ path: '/containers/create', json });
  try {
    await commit(engine, id, [roleOfImage], reference);
  } finally {
    await engine.json({ method: 'DELETE', path: `/containers/${id}`, query: { force: '1' } });
  }
}

/** Removes those that were not finished, and that nothing is made of. Returns a line for each. */
export async function removeUnfinished(engine: Engine, { signal }: BackendCall): Promise<string[]> {
  const filters = { dangling: ['true'], label: [`${labels.role}=snapshot`] };
  const said: string[] = [];
  for (const { Id, Created } of await listImages(engine, filters, signal)) {
    if (Date.now() - Created * 1_000 < youngMs) continue;
    try {
      await engine.json({ method: 'DELETE', path: `/images/${Id}`, signal });
      said.push(`image ${Id}: a snapshot that was not finished`);
    } catch (error) {
      if (!isStatus(error, 404, 409)) throw error;
    }
  }
  return said;
}

/** Undoes what an image would take over of its container, such as the variables of the host type, and labels it as ours. */
function changesOf(
  container: v.InferOutput<typeof settings>,
  base: v.InferOutput<typeof settings>,
  own: Readonly<Record<string, string>>,
): string[] {
  const given = new Map((base.Env ?? []).map((pair) => [nameIn(pair), pair]));
  const variables = (container.Env ?? []).flatMap((pair) => {
    const name = nameIn(pair);
    const original = given.get(name);
    if (pair === original) return [];
    if (!plainName.test(name)) {
      throw new GomoteError('ERR_UNSUPPORTED', `no image can leave out the variable "${name}"`, {
        hint: 'give it another name in the env of the host type',
      });
    }
    return [`ENV ${name}=${quoted(original?.slice(name.length + 1) ?? '')}`];
  });
  const marks = Object.entries(container.Labels ?? {}).flatMap(([key, value]) => {
    const original = base.Labels?.[key];
    return value === original || key in own ? [] : [[key, original ?? hidden] as const];
  });
  const all = [...marks, ...Object.entries(own)];
  return [...variables, ...all.map(([key, value]) => `LABEL ${quoted(key)}=${quoted(value)}`)];
}

const roleOfImage = `LABEL ${labels.role}=snapshot`;

const nameIn = (pair: string): string => pair.split('=', 1)[0] ?? '';

/** As a word of a Dockerfile, which cannot hold the end of a line. */
const quoted = (text: string): string =>
  `"${text.replaceAll(/["\\$]/g, '\\$&').replaceAll(/[\r\n]+/g, ' ')}"`;

async function inspectImage(engine: Engine, image: string, signal: AbortSignal) {
  const path = `/images/${encodeURIComponent(image)}/json`;
  return v.parse(inspectedImage, await engine.json({ method: 'GET', path, signal }));
}

async function listImages(
  engine: Engine,
  filters: Readonly<Record<string, readonly string[]>>,
  signal: AbortSignal,
) {
  const query = { filters: JSON.stringify(filters) };
  const reply = await engine.json({ method: 'GET', path: '/images/json', query, signal });
  return v.parse(v.array(listedImage), reply);
}

async function removeIfThere(engine: Engine, image: string, signal: AbortSignal): Promise<void> {
  try {
    // Podman would also remove its containers, if it was forced.
    await engine.json({ method: 'DELETE', path: `/images/${encodeURIComponent(image)}`, signal });
  } catch (error) {
    if (!isStatus(error, 404)) throw error;
  }
}

/** It is not an error when it is gone. Throws ERR_CONFLICT while a container uses it. */
export async function removeImage(
  engine: Engine,
  id: string,
  { signal }: BackendCall,
): Promise<void> {
  const filters = [`${labels.role}=filler`, `${labels.image}=${id}`];
  try {
    // What a client that was killed between both commits has left is in the way.
    for (const { Id } of await listContainers(engine, filters, signal)) {
      await removeContainer(engine, Id);
    }
    await removeIfThere(engine, nameOf(id), signal);
    for (const { Id } of await listImages(engine, { label: [`${labels.image}=${id}`] }, signal)) {
      await removeIfThere(engine, Id, signal);
    }
  } catch (error) {
    if (!isStatus(error, 409)) throw refusalOf('cannot remove the image', engine.url, error);
    throw new GomoteError(
      'ERR_CONFLICT',
      `buildlets use the image of the snapshot: ${error.text}`,
      {
        hint: 'destroy those first',
        cause: error,
      },
    );
  }
}
