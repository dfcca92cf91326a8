// Creates a container with a buildlet and waits until it answers. A failure leaves nothing behind.
import { addAbortSignal, type Readable } from 'node:stream';
import * as v from 'valibot';
import { GomoteError, isGomoteError, isStatus, messageOf } from '../../errors.ts';
import { lastLine } from '../../printable.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { type ContainerPlan, containerOf, socketOf } from './container.ts';
import { type BuildletPlace, mount, volumeOf } from './dial.ts';
import type { Engine } from './engine.ts';
import { ExecStream } from './exec-stream.ts';
import {
  cachesDirectory,
  currentPayload,
  openName,
  storeDirectory,
  volumeDirectory,
} from './paths.ts';
import type { PayloadSource } from './payload-source.ts';
import type { ImageCall } from './pull.ts';
import { platformError, refusalOf } from './refusal.ts';
import { removeVolume } from './volumes.ts';

/** The time limit from the container's start until the buildlet answers, in ms. */
const startTimeoutMs = 60_000;

/** The longest first line, in characters. */
const lineLimit = 4_096;

export interface Launch extends ImageCall {
  readonly plan: ContainerPlan;
  readonly payload: PayloadSource;
  /** Fills the payload's volume. Concurrent calls share the work. */
  readonly fill: () => Promise<void>;
  /** Throws when the container, which was just made, may not have its mounts. */
  readonly check: (id: string) => Promise<void>;
}

/** Throws ERR_NAME_TAKEN when there is a container of that name. */
export async function launchContainer(engine: Engine, launch: Launch): Promise<BuildletPlace> {
  const { plan, signal, onProgress } = launch;
  signal.throwIfAborted();
  onProgress?.(`creating container ${plan.name}`);
  const id = await createContainer(engine, plan);
  let attaching: Promise<ExecStream> | undefined;
  try {
    await launch.check(id);
    signal.throwIfAborted();
    attaching = attach(engine, id, signal);
    const inspecting = inspectNew(engine, id, plan);
    const preparing = [preparePayload(engine, id, launch), makeOpenDirectory(engine, id, launch)];
    // A failure is undone after the other steps have finished.
    await Promise.allSettled([attaching, inspecting, ...preparing]);
    const [output, volume] = await Promise.all([attaching, inspecting, ...preparing]);
    onProgress?.(`starting container ${plan.name}`);
    await startContainer(engine, id, output, launch);
    signal.throwIfAborted();
    return { id, socket: socketOf(plan), volume };
  } catch (error) {
    // The engine keeps it open when the container never starts.
    const output = await attaching?.catch(() => undefined);
    output?.destroy();
    await undo(engine, id, plan);
    signal.throwIfAborted();
    throw refusalOf(`cannot start ${plan.machine.image}`, engine.url, error);
  }
}

/** Removes the container, and the volume of the programs unless they were all copied, or others use it. */
async function undo(engine: Engine, id: string, { name, payloadVolume }: ContainerPlan) {
  try {
    const query = { path: currentPayload };
    const isFilled = await engine
      .has({ path: `/containers/${id}/archive`, query })
      .catch(() => true);
    await removeContainer(engine, id);
    if (isFilled) return;
  } catch (error) {
    throw new GomoteError(
      'ERR_PLATFORM',
      `the container ${name} is still there: ${messageOf(error)}`,
      {
        hint: `remove it: docker rm --force --volumes ${name}`,
        cause: error,
      },
    );
  }
  await removeVolume(engine, payloadVolume).catch(() => undefined);
}

/** The request is never cancelled: the engine might still carry it out, and the container would be unknown. */
async function createContainer(engine: Engine, plan: ContainerPlan): Promise<string> {
  const { name, machine } = plan;
  try {
    const query = { name, platform: machine.platform };
    return await engine.make({ path: '/containers/create', query, json: containerOf(plan) });
  } catch (error) {
    if (isStatus(error, 409)) {
      throw new GomoteError('ERR_NAME_TAKEN', `the engine has a container ${name}`, {
        cause: error,
      });
    }
    throw refusalOf(`cannot make a container of ${machine.image}`, engine.url, error);
  }
}

const inspected = v.object({
  HostConfig: v.object({ Runtime: v.optional(v.string()) }),
  Mounts: v.nullish(v.array(mount)),
});

/**
 * Returns the directory of its volume, as the engine says. Throws where it has another runtime: Podman ignores that, and a
 * container meant for a sandbox would run without one.
 */
async function inspectNew(
  engine: Engine,
  id: string,
  { machine }: ContainerPlan,
): Promise<string | undefined> {
  const { runtime, image } = machine;
  const reply = await engine.json({ method: 'GET', path: `/containers/${id}/json` });
  const { HostConfig, Mounts } = v.parse(inspected, reply);
  if (runtime === undefined || HostConfig.Runtime === runtime) return volumeOf(Mounts);
  throw new GomoteError(
    'ERR_UNSUPPORTED',
    `the engine ${engine.url} does not use the runtime ${runtime} for ${image}`,
    {
      hint: 'see docker info; for Podman leave it out, and start podman --runtime NAME system service',
    },
  );
}

async function preparePayload(engine: Engine, id: string, { fill, signal }: Launch): Promise<void> {
  const query = { path: currentPayload };
  if (await engine.has({ path: `/containers/${id}/archive`, query, signal })) return;
  await fill();
}

/** Makes the directories for a buildlet that is not root, and opens its caches to it. */
async function makeOpenDirectory(engine: Engine, id: string, { plan, signal }: Launch) {
  if (plan.isRoot) return;
  await putOpenDirectories(engine, id, volumeDirectory, [openName], signal);
  if (plan.store !== undefined) {
    await putOpenDirectories(engine, id, storeDirectory, [openName], signal);
  }
  if (plan.caches.length === 0) return;
  const names = plan.caches.map(({ name }) => name);
  await putOpenDirectories(engine, id, cachesDirectory, names, signal);
}

async function putOpenDirectories(
  engine: Engine,
  id: string,
  directory: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { encodeHeader } = await import('../../tar/tar-header.ts');
  const headers = names.map((name) =>
    encodeHeader({
      ...{ name: `${name}/`, type: 'Directory', mode: 0o1777, sizeBytes: 0, mtimeMs: Date.now() },
    }),
  );
  await engine.json({
    method: 'PUT',
    path: `/containers/${id}/archive`,
    query: { path: directory },
    archive: (async function* () {
      yield Buffer.concat([...headers, Buffer.alloc(1024)]);
    })(),
    signal,
  });
}

/** The output of the container's first process. */
async function attach(engine: Engine, id: string, signal: AbortSignal): Promise<ExecStream> {
  const query = { stream: '1', stdout: '1', stderr: '1' };
  const output = new ExecStream(
    await engine.hijack({ path: `/containers/${id}/attach`, query, signal }),
  );
  return output.on('error', () => undefined);
}

/** Waits for the address, which a buildlet prints when it answers. */
async function startContainer(
  engine: Engine,
  id: string,
  output: ExecStream,
  { plan, signal }: Launch,
): Promise<void> {
  const late = timeoutSignal(startTimeoutMs);
  try {
    const ready = firstLine(output, anySignal(signal, late));
    ready.catch(() => undefined);
    await engine.json({ method: 'POST', path: `/containers/${id}/start`, signal });
    await ready;
  } catch (error) {
    signal.throwIfAborted();
    if (isGomoteError(error)) throw error;
    const silent = late.aborted ? 'it did not answer in time' : 'it ended at once';
    const what = `cannot start the buildlet in ${plan.machine.image}`;
    throw platformError(what, engine.url, whyIn(output.said) ?? silent, {
      ...{ code: 'ERR_MACHINE', cause: error },
    });
  } finally {
    output.destroy();
  }
}

/** The useful part of a program's last output: Node prints much more. */
function whyIn(said: string): string | undefined {
  const line = said.split('\n').find((one) => /^buildlet: |error\b.*: /i.test(one));
  return line?.trim() ?? lastLine(said);
}

/** Waits for a complete line. Of an endless one, no more than an address is kept. */
async function firstLine(output: Readable, signal: AbortSignal): Promise<string> {
  addAbortSignal(signal, output);
  let text = '';
  for await (const chunk of output) {
    text += chunk;
    const end = text.indexOf('\n');
    if (end >= 0) return text.slice(0, end);
    if (text.length > lineLimit) break;
  }
  throw new Error('no line');
}

/** Ends the container and removes it with its volumes. It is not an error when it is already gone. */
export async function removeContainer(engine: Engine, id: string): Promise<void> {
  try {
    const query = { force: '1', v: '1' };
    await engine.json({ method: 'DELETE', path: `/containers/${id}`, query });
  } catch (error) {
    // 409: it is already being removed.
    if (!isStatus(error, 404, 409)) throw error;
  }
}
