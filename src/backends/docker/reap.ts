// Removes what buildlets leave on an engine: containers that ended or never started, and programs of other versions.
import type { BackendCall } from '../backend.ts';
import { type ListedContainer, labels, listContainers, nameOf } from './container.ts';
import type { Engine } from './engine.ts';
import { removeUnfinished } from './images.ts';
import { removeContainer } from './launch.ts';
import { removeVolume, volumesWith } from './volumes.ts';

/** How long a container may take to start, in ms. */
const youngMs = 10 * 60_000;

/** Returns a line for each thing removed. */
export async function reap(
  engine: Engine,
  containers: readonly ListedContainer[],
  call: BackendCall,
): Promise<string[]> {
  const fillers = await listContainers(engine, [`${labels.role}=filler`], call.signal);
  const said: string[] = [];
  for (const container of [...containers, ...fillers]) {
    const why = whyUnusable(container);
    if (why === undefined) continue;
    await removeContainer(engine, container.Id);
    said.push(`container ${nameOf(container)}: ${why}`);
  }
  const images = await removeUnfinished(engine, call);
  return [...said, ...images, ...(await removePayloads(engine, call))];
}

function whyUnusable({ State, Status, Labels, Created }: ListedContainer): string | undefined {
  if (State === 'exited' || State === 'dead') return `ended (${Status})`;
  if (State !== 'created') return undefined;
  const createdMs = Date.parse(Labels?.[labels.created] ?? '') || Created * 1_000;
  return Date.now() - createdMs > youngMs ? 'never started' : undefined;
}

const payloadName = /^gomote-[0-9a-f]{16}$/;

/** The engine refuses to remove what is in use. */
async function removePayloads(engine: Engine, call: BackendCall): Promise<string[]> {
  const said: string[] = [];
  for (const { Name, Labels } of await volumesWith(engine, {}, call)) {
    // Podman gives no labels to volumes that it makes with a container.
    const isBare = Object.keys(Labels ?? {}).length === 0;
    const isPayload = Labels?.[labels.role] === 'payload' || (isBare && payloadName.test(Name));
    if (!isPayload) continue;
    if ((await removeVolume(engine, Name, call.signal)) !== 'removed') continue;
    said.push(`volume ${Name}: no container uses it`);
  }
  return said;
}
