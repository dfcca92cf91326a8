// Caches of an engine: volumes that outlive the containers which use them. Their state is in labels.
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { GomoteError } from '../../errors.ts';
import type { Cache } from '../../protocol/cache.ts';
import type { BackendCall, KeptCache } from '../backend.ts';
import { cacheInUse } from '../buildlet-errors.ts';
import {
  cacheLabel,
  hidden,
  type ListedContainer,
  labels,
  listContainers,
  nameOf,
} from './container.ts';
import type { Engine } from './engine.ts';
import { removeVolume, volumesWith } from './volumes.ts';

const nameLabel = 'gomote.cache';

/** A volume for one user of the engine, or for all. */
export interface CacheVolume extends Cache {
  readonly volume: string;
  readonly owner: string | undefined;
}

export const cacheVolume = (cache: Cache, user: string): CacheVolume => {
  const owner = cache.shared ? undefined : user;
  const digest = createHash('sha256')
    .update(JSON.stringify([owner, cache.name]))
    .digest('hex');
  return { ...cache, owner, volume: `gomote-cache-${cache.name}-${digest.slice(0, 12)}` };
};

const volumeSchema = v.object({
  Name: v.string(),
  Labels: v.nullish(v.record(v.string(), v.string())),
  UsageData: v.nullish(v.object({ Size: v.optional(v.number(), -1) })),
});

/** Makes the volumes that are missing, and empties those that are too large. */
export async function makeVolumes(
  engine: Engine,
  caches: readonly CacheVolume[],
  call: BackendCall,
): Promise<void> {
  for (const cache of caches) {
    await trimVolume(engine, cache.volume, cache.maxBytes, call);
    const { name, owner, volume: Name } = cache;
    const Labels = {
      [labels.role]: 'cache',
      [nameLabel]: name,
      ...(owner !== undefined && { [labels.owner]: owner }),
    };
    const reply = await engine.json({
      ...{ method: 'POST', path: '/volumes/create', json: { Name, Labels }, signal: call.signal },
    });
    // The engine returns an existing one, which anybody may have created.
    const own = v.parse(volumeSchema, reply).Labels ?? {};
    if (own[labels.role] === 'cache' && own[labels.owner] === owner) continue;
    throw new GomoteError('ERR_CONFLICT', `the volume ${Name} is not a cache of gomote's`, {
      hint: `remove it: docker volume rm ${Name}`,
    });
  }
}

/**
 * Throws ERR_CONFLICT when another container has one of them, and either needs it for itself. The new container is on the
 * engine already: of two at once, no more than one finds nobody else.
 */
export async function checkUsers(
  engine: Engine,
  id: string,
  caches: readonly CacheVolume[],
  call: BackendCall,
): Promise<void> {
  for (const { name, volume, mode } of caches) {
    for (const container of await usersOf(engine, volume, call)) {
      const isSole = container.Labels?.[`${cacheLabel}${volume}`]?.startsWith('exclusive');
      if (container.Id === id || !(isSole || mode === 'exclusive')) continue;
      throw cacheInUse(name, nameOf(container), isSole);
    }
  }
}

/** What a container's label says of a cache: how it has it, and what it may take. */
export const usageOf = ({ mode = 'shared', maxBytes }: Cache): string =>
  maxBytes === undefined ? mode : `${mode} ${maxBytes}`;

/** Empties the caches of a container that has been removed, where they are too large. */
export async function trimVolumes(
  engine: Engine,
  own: Readonly<Record<string, string>>,
  call: BackendCall,
): Promise<void> {
  for (const [key, usage] of Object.entries(own)) {
    const maxBytes = Number(usage.split(' ')[1]);
    if (!key.startsWith(cacheLabel) || !(maxBytes > 0)) continue;
    await trimVolume(engine, key.slice(cacheLabel.length), maxBytes, call);
  }
}

/** Removes a volume that takes more, unless a container has it. */
async function trimVolume(
  engine: Engine,
  volume: string,
  maxBytes: number | undefined,
  call: BackendCall,
): Promise<void> {
  if (maxBytes === undefined) return;
  const sizes = await volumeSizes(engine, call);
  if ((sizes.get(volume) ?? 0) > maxBytes) await removeVolume(engine, volume, call.signal);
}

/** By name; where the engine does not measure volumes, there are none. */
async function volumeSizes(engine: Engine, { signal }: BackendCall): Promise<Map<string, number>> {
  try {
    const query = { type: 'volume' };
    const reply = await engine.json({ method: 'GET', path: '/system/df', query, signal });
    const { Volumes } = v.parse(v.object({ Volumes: v.nullish(v.array(volumeSchema)) }), reply);
    const sizes = (Volumes ?? []).map(
      ({ Name, UsageData }) => [Name, UsageData?.Size ?? -1] as const,
    );
    return new Map(sizes.filter(([, size]) => size >= 0));
  } catch {
    signal.throwIfAborted();
    return new Map();
  }
}

async function usersOf(
  engine: Engine,
  volume: string,
  { signal }: BackendCall,
): Promise<ListedContainer[]> {
  const all = await listContainers(engine, [`${cacheLabel}${volume}`], signal);
  return all.filter(({ State, Labels }) => {
    const usage = Labels?.[`${cacheLabel}${volume}`];
    return State !== 'exited' && State !== 'dead' && usage !== hidden;
  });
}

/** The volumes of a user; undefined: of everybody. */
const volumesOf = (engine: Engine, user: string | undefined, call: BackendCall) =>
  volumesWith(
    engine,
    { [labels.role]: 'cache', ...(user !== undefined && { [labels.owner]: user }) },
    call,
  );

export async function listCaches(
  engine: Engine,
  user: string | undefined,
  call: BackendCall,
): Promise<KeptCache[]> {
  const volumes = await volumesOf(engine, user, call);
  const sizes = volumes.length === 0 ? new Map<string, number>() : await volumeSizes(engine, call);
  const found = await Promise.all(
    volumes.map(async ({ Name, Labels }) => ({
      name: Labels?.[nameLabel] ?? Name,
      owner: Labels?.[labels.owner],
      bytes: sizes.get(Name),
      buildlets: (await usersOf(engine, Name, call)).map(nameOf),
    })),
  );
  return found.sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

/** Returns whether there was one. Throws ERR_CONFLICT while a container has it. */
export async function purgeCache(
  engine: Engine,
  user: string | undefined,
  name: string,
  call: BackendCall,
): Promise<boolean> {
  const all = await volumesOf(engine, user, call);
  const volumes = all.filter(({ Labels }) => Labels?.[nameLabel] === name);
  for (const { Name } of volumes) {
    if ((await removeVolume(engine, Name, call.signal)) !== 'in use') continue;
    const [container] = await usersOf(engine, Name, call);
    throw cacheInUse(name, container === undefined ? 'a container' : nameOf(container));
  }
  return volumes.length > 0;
}
