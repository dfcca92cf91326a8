// The volumes on an engine: those with certain labels, and the end of one.

import * as v from 'valibot';
import { isStatus } from '../../errors.ts';
import type { BackendCall } from '../backend.ts';
import type { Engine } from './engine.ts';

const listedVolume = v.object({
  Name: v.string(),
  Labels: v.nullish(v.record(v.string(), v.string())),
});

/** Checks each volume itself: Podman returns those that match one of several filters. */
export async function volumesWith(
  engine: Engine,
  wanted: Readonly<Record<string, string>>,
  { signal }: BackendCall,
): Promise<v.InferOutput<typeof listedVolume>[]> {
  const pairs = Object.entries(wanted);
  const filters = JSON.stringify({ label: pairs.map(([key, value]) => `${key}=${value}`) });
  const query = { filters };
  const reply = await engine.json({ method: 'GET', path: '/volumes', query, signal });
  const all = v.parse(v.object({ Volumes: v.nullish(v.array(listedVolume)) }), reply).Volumes;
  return (all ?? []).filter(({ Labels }) => pairs.every(([key, value]) => Labels?.[key] === value));
}

/** Removes the volume; the engine keeps one that a container has. */
export async function removeVolume(
  engine: Engine,
  name: string,
  signal?: AbortSignal,
): Promise<'removed' | 'absent' | 'in use'> {
  try {
    const path = `/volumes/${encodeURIComponent(name)}`;
    await engine.json({ method: 'DELETE', path, signal });
    return 'removed';
  } catch (error) {
    if (isStatus(error, 404)) return 'absent';
    if (isStatus(error, 409)) return 'in use';
    throw error;
  }
}
