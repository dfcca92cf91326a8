// Images: inspects and pulls them.
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import type { DockerMachine } from '../../builders.ts';
import { GomoteError, isStatus } from '../../errors.ts';
import type { BackendCall } from '../backend.ts';
import type { Engine } from './engine.ts';
import { platformError, refusalOf } from './refusal.ts';

const imageDetails = v.object({
  Architecture: v.optional(v.string(), ''),
  Os: v.optional(v.string(), ''),
  Config: v.nullish(v.object({ User: v.nullish(v.string()), Env: v.nullish(v.array(v.string())) })),
});

export interface Image {
  /** The architecture's name in images: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly user: string;
  /** `KEY=VALUE`. */
  readonly env: readonly string[];
}

export interface ImageCall extends BackendCall {
  readonly environment: NodeJS.ProcessEnv;
  readonly onProgress?: ((step: string) => void) | undefined;
}

/** Inspects the machine's image, and pulls it if needed. */
export async function ensureImage(
  engine: Engine,
  machine: DockerMachine,
  call: ImageCall,
): Promise<Image> {
  const { image, pull = 'missing', platform } = machine;
  if (pull === 'always') await pullImage(engine, machine, call);
  const found = await inspectImage(engine, image, call);
  const isOther = found !== undefined && platform !== undefined && !isOf(found, platform);
  if (found !== undefined && !(isOther && pull === 'missing')) return found;
  if (pull === 'missing') await pullImage(engine, machine, call);
  const pulled = await inspectImage(engine, image, call);
  if (pulled !== undefined) return pulled;
  throw new GomoteError('ERR_PLATFORM', `the engine ${engine.url} has no image ${image}`, {
    hint: `give it one: docker pull ${image}`,
  });
}

const isOf = ({ architecture }: Image, platform: string): boolean =>
  platform.split('/')[1] === architecture;

async function inspectImage(
  engine: Engine,
  image: string,
  { signal }: BackendCall,
): Promise<Image | undefined> {
  try {
    const path = `/images/${image.split('/').map(encodeURIComponent).join('/')}/json`;
    const found = v.parse(imageDetails, await engine.json({ method: 'GET', path, signal }));
    return {
      architecture: found.Architecture,
      user: found.Config?.User ?? '',
      env: found.Config?.Env ?? [],
    };
  } catch (error) {
    if (isStatus(error, 404)) return undefined;
    throw refusalOf(`cannot use image ${image}`, engine.url, error);
  }
}

/** A line of the engine's report. */
const pullLine = v.object({
  id: v.optional(v.string()),
  status: v.optional(v.string()),
  error: v.optional(v.string()),
  errorDetail: v.optional(v.object({ message: v.optional(v.string()) })),
  progressDetail: v.nullish(
    v.object({ current: v.optional(v.number()), total: v.optional(v.number()) }),
  ),
});

async function pullImage(
  engine: Engine,
  { image, platform }: DockerMachine,
  { signal, environment, onProgress }: ImageCall,
): Promise<void> {
  onProgress?.(`pulling ${image}`);
  const { registryAuth } = await import('./registry-auth.ts');
  const auth = await registryAuth(image, environment);
  const what = `cannot pull ${image}`;
  try {
    const body = await engine.stream({
      method: 'POST',
      path: '/images/create',
      query: { fromImage: withTag(image), platform },
      ...(auth !== undefined && { headers: { 'X-Registry-Auth': auth } }),
      signal,
    });
    const layers = new Map<string, { current: number; total: number }>();
    try {
      for await (const line of createInterface({ input: body })) {
        if (line.trim() === '') continue;
        const { id, status, error, errorDetail, progressDetail } = v.parse(
          pullLine,
          JSON.parse(line),
        );
        const failure = errorDetail?.message ?? error;
        if (failure !== undefined) throw platformError(what, engine.url, failure);
        if (id === undefined || status !== 'Downloading') continue;
        const { current = 0, total = 0 } = progressDetail ?? {};
        layers.set(id, { current, total });
        onProgress?.(`pulling ${image}: ${progressOf([...layers.values()])}`);
      }
    } finally {
      // A later abort must not become an unhandled rejection.
      body.destroy();
    }
    signal.throwIfAborted();
  } catch (error) {
    signal.throwIfAborted();
    throw refusalOf(what, engine.url, error);
  }
}

/** Without a tag the engine would pull all tags. */
function withTag(image: string): string {
  const last = image.split('/').at(-1) ?? '';
  return last.includes(':') || image.includes('@') ? image : `${image}:latest`;
}

function progressOf(layers: readonly { current: number; total: number }[]): string {
  const sum = (key: 'current' | 'total') =>
    (layers.reduce((all, layer) => all + layer[key], 0) / 1e6).toFixed(1);
  return `${sum('current')} of ${sum('total')} MB`;
}
