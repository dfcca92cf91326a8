// The places of mounts in a container that begins with the image of a snapshot, whose owner may have put links in the way.
import { posix } from 'node:path';
import * as v from 'valibot';
import { GomoteError, isStatus } from '../../errors.ts';
import type { BackendCall } from '../backend.ts';
import { mount } from './dial.ts';
import type { Engine } from './engine.ts';

const inspected = v.object({ Mounts: v.array(mount) });

/** What the engine says of a path: links lead elsewhere. */
const stated = v.object({ mode: v.number(), linkTarget: v.optional(v.string(), '') });

/** The bit of a link in a mode as Go has it. */
const linkBit = 2 ** 27;

/** Throws ERR_MACHINE when a link leads a mount elsewhere: one volume could then cover the programs in another. */
export async function checkMountPoints(
  engine: Engine,
  id: string,
  { signal }: BackendCall,
): Promise<void> {
  const path = `/containers/${id}/json`;
  const { Mounts } = v.parse(inspected, await engine.json({ method: 'GET', path, signal }));
  const paths = new Set(Mounts.flatMap(({ Destination = '/' }) => withParents(Destination)));
  for (const at of paths) {
    if (!(await isLink(engine, id, at, signal))) continue;
    throw new GomoteError('ERR_MACHINE', `the image of the snapshot has a link at ${at}`, {
      hint: 'mounts are there: make another snapshot, of a buildlet without that link',
    });
  }
}

function withParents(path: string): string[] {
  const above = posix.dirname(path);
  return above === path ? [] : [...withParents(above), path];
}

async function isLink(
  engine: Engine,
  id: string,
  at: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const request = { path: `/containers/${id}/archive`, query: { path: at }, signal };
    const text = await engine.header('X-Docker-Container-Path-Stat', request);
    const json = Buffer.from(text ?? '', 'base64').toString();
    const { mode, linkTarget } = v.parse(stated, JSON.parse(json));
    // Podman gives the target of a link as the path of any file.
    return Math.floor(mode / linkBit) % 2 === 1 || (linkTarget !== '' && linkTarget !== at);
  } catch (error) {
    if (isStatus(error, 404)) return false;
    throw error;
  }
}
