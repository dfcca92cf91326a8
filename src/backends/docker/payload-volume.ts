// The volume with the buildlet's programs: filled once for each engine and version, read by all containers.
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { GomoteError } from '../../errors.ts';
import { encodeHeader, type HeaderFields } from '../../tar/tar-header.ts';
import type { BackendCall } from '../backend.ts';
import {
  bundleFiles,
  compiledFiles,
  configuredNodeFiles,
  contentOf,
  nodeFiles,
  type PayloadFile,
} from '../payload.ts';
import { smallPrograms } from '../small-programs.ts';
import { payloadContainer } from './container.ts';
import type { Engine } from './engine.ts';
import { payloadDirectory } from './paths.ts';
import { refusalOf } from './refusal.ts';

interface Filling extends BackendCall {
  /** An image that exists on the engine. */
  readonly image: string;
  readonly volume: string;
  readonly architecture: string;
  /** Where the Node of another architecture is. */
  readonly directory: string | undefined;
}

/** Puts the programs into the volume, by a container that is never started. */
export async function fillPayload(engine: Engine, filling: Filling): Promise<void> {
  const { image, volume, signal } = filling;
  const files = await payloadFiles(filling);
  const what = 'cannot copy the buildlet into a volume';
  try {
    const json = payloadContainer(image, volume);
    const id = await engine.make({ path: '/containers/create', json });
    try {
      signal.throwIfAborted();
      await engine.json({
        method: 'PUT',
        path: `/containers/${id}/archive`,
        query: { path: payloadDirectory },
        archive: archiveOf(files, randomBytes(6).toString('hex')),
        signal,
      });
    } finally {
      await engine.json({
        ...{ method: 'DELETE', path: `/containers/${id}`, query: { force: '1' } },
      });
    }
  } catch (error) {
    signal.throwIfAborted();
    throw refusalOf(what, engine.url, error);
  }
}

async function payloadFiles({ architecture, directory }: Filling): Promise<PayloadFile[]> {
  const programs = Object.entries(smallPrograms).flatMap(([name, { [architecture]: program }]) =>
    program === undefined ? [] : [smallProgram(name, program)],
  );
  if (programs.length === 0) {
    throw new GomoteError('ERR_UNSUPPORTED', `images for linux/${architecture} cannot be used`, {
      hint: 'gomote runs in containers of linux/amd64 and linux/arm64',
    });
  }
  const node =
    directory === undefined
      ? [...(await nodeFiles()), ...(await compiledFiles())]
      : configuredNodeFiles(directory);
  return [...node, ...bundleFiles(), ...programs];
}

const smallProgram = (name: string, base64: string): PayloadFile => ({
  ...{ name: `bin/${name}`, mode: 0o755 },
  content: { bytes: Buffer.from(base64, 'base64') },
});

/** A uniquely named directory, and at the end the link that marks it complete. */
async function* archiveOf(files: readonly PayloadFile[], name: string): AsyncGenerator<Buffer> {
  const header = (fields: Pick<HeaderFields, 'name' | 'type'> & Partial<HeaderFields>) =>
    encodeHeader({ mode: 0o755, sizeBytes: 0, mtimeMs: Date.now(), ...fields });
  const directories = new Set<string>();
  for (const file of files) {
    const parts = file.name.split('/').slice(0, -1);
    for (let i = 1; i <= parts.length; i++) directories.add(parts.slice(0, i).join('/'));
  }
  yield header({ name: `${name}/`, type: 'Directory' });
  for (const one of directories) yield header({ name: `${name}/${one}/`, type: 'Directory' });
  for (const file of files) {
    const { content, mode } = file;
    const sizeBytes = 'bytes' in content ? content.bytes.length : statSync(content.path).size;
    yield header({ name: `${name}/${file.name}`, type: 'File', mode, sizeBytes });
    let sentBytes = 0;
    for await (const piece of contentOf(file)) {
      sentBytes += piece.length;
      yield piece;
    }
    if (sentBytes !== sizeBytes) {
      throw new GomoteError('ERR_LOCAL_FILE', `${file.name} changed while it was read`);
    }
    yield Buffer.alloc((512 - (sizeBytes % 512)) % 512);
  }
  yield header({ name: 'current', type: 'SymbolicLink', linkTarget: name });
  yield Buffer.alloc(1024);
}
