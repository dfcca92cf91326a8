// The volumes on an engine that have certain labels.
import * as v from 'valibot';
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
