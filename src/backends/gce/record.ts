// The state of a buildlet in its machine's labels and metadata, so that every authorized client sees the same.
import { hash } from 'node:crypto';
import { plainNamePart } from '../../builders.ts';
import { formatDuration, parseDuration } from '../../duration.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { type Labels, labelsInText } from '../../protocol/labels.ts';
import type { Instance } from '../backend.ts';
import type { VmInstance } from './compute.ts';
import { metadataKeys, metadataOf, zoneOf } from './vm.ts';

/** The labels: what can be searched for, and what changes. */
const labels = { role: 'gomote', owner: 'gomote_owner', expires: 'gomote_expires' };
const role = 'buildlet';

/** The metadata: what does not change. */
const meta = {
  name: 'gomote-name',
  owner: 'gomote-owner',
  builderType: 'gomote-builder-type',
  idleTimeout: 'idle-timeout',
  note: 'gomote-note',
  /** Its user's own, as JSON: values of labels may be of fewer characters. */
  labels: 'gomote-labels',
};

/** A coordinator's note, as an item of the machine's metadata. */
export const noteItem = (note: string) => ({ key: meta.note, value: note });

export interface VmRecord extends Instance {
  readonly owner: string;
  readonly zone: string;
  /** As Compute Engine names the machine. */
  readonly vmName: string;
  /** 0: it does not end when unused. */
  readonly idleTimeoutMs: number;
  /** When it ends unless it is used, from its label. */
  readonly shownExpires: Date | undefined;
  readonly instance: VmInstance;
}

/** Descriptions of the states in which a machine cannot be used. */
const deadStates: ReadonlyMap<string, string> = new Map(
  Object.entries({
    PROVISIONING: 'starting',
    STAGING: 'starting',
    REPAIRING: 'repairing',
    STOPPING: 'stopping',
    SUSPENDING: 'stopping',
    SUSPENDED: 'suspended',
    STOPPED: 'stopped',
    TERMINATED: 'stopped',
  }),
);

/** Being deleted: it cannot be used and need not be destroyed. */
export const isLeaving = ({ status }: VmInstance): boolean =>
  status === 'STOPPING' || status === 'PENDING_STOP';

/** The machine's name for a buildlet's: the same, or a prefix of it and a digest. */
export function vmNameOf(name: string): string {
  if (/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return name;
  const digest = hash('sha256', name).slice(0, 8);
  return `${`g-${plainNamePart(name)}`.slice(0, 54)}-${digest}`.replaceAll(/-{2,}/g, '-');
}

/** A filter for the buildlets, or the disks of caches, of an owner or of everybody. */
export function filterOf(owner: string | undefined, as = role): string {
  const own = owner === undefined ? '' : ` (labels.${labels.owner} = "${labelValue(owner)}")`;
  return `(labels.${labels.role} = "${as}")${own}`;
}

export const filterOfName = (vmName: string): string => `(name = "${vmName}")`;

const labelValue = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '-')
    .slice(0, 63);

interface NewRecord {
  readonly name: string;
  readonly owner: string;
  readonly builderType: string;
  readonly idleTimeoutMs: number;
  readonly userLabels?: Labels | undefined;
}

/** The labels and metadata by which a new machine is found. */
export function describeVm({ name, owner, builderType, userLabels, ...times }: NewRecord) {
  // The buildlet, which reads this, writes "never" as 0.
  const idleTimeoutMs = Number.isFinite(times.idleTimeoutMs) ? times.idleTimeoutMs : 0;
  return {
    meta: {
      [meta.name]: name,
      [meta.owner]: owner,
      [meta.builderType]: builderType,
      [meta.idleTimeout]: formatDuration(idleTimeoutMs),
      ...(userLabels && { [meta.labels]: JSON.stringify(userLabels) }),
    },
    labels: {
      [labels.role]: role,
      [labels.owner]: labelValue(owner),
      ...(idleTimeoutMs > 0 && expiresLabel(Date.now() + idleTimeoutMs)),
    },
  };
}

/** The labels of an image or a disk. */
export const keptLabels = (
  as: 'snapshot' | 'cache',
  owner: string | undefined,
): Record<string, string> => ({
  [labels.role]: as,
  ...(owner !== undefined && { [labels.owner]: labelValue(owner) }),
});

/** The label that says when the buildlet ends unless it is used. */
export const expiresLabel = (atMs: number): Record<string, string> => ({
  [labels.expires]: String(Math.floor(atMs / 1_000)),
});

/** Reads a machine; undefined when it is not a buildlet of ours. */
export function recordOf(instance: VmInstance): VmRecord | undefined {
  const data = metadataOf(instance);
  const name = data.get(meta.name);
  // Whoever may change the machine may change its metadata, and other code uses names in paths.
  if (name === undefined || !buildletName.test(name)) return undefined;
  if (instance.labels?.[labels.role] !== role) return undefined;
  const { creationTimestamp, status } = instance;
  const shownExpires = fromSeconds(instance.labels[labels.expires]);
  return {
    name,
    owner: data.get(meta.owner) ?? '',
    builderType: data.get(meta.builderType) ?? '',
    hostType: data.get(metadataKeys.hostType) ?? '',
    created: creationTimestamp ? new Date(creationTimestamp) : undefined,
    expires: earliest(shownExpires, deleteAtOf(instance)),
    dead: deadStates.get(status ?? ''),
    note: data.get(meta.note),
    labels: labelsInText(data.get(meta.labels)),
    zone: zoneOf(instance),
    vmName: instance.name ?? '',
    idleTimeoutMs: durationOf(data.get(meta.idleTimeout)),
    shownExpires,
    instance,
  };
}

/** When anybody may delete the machine; undefined: never. */
export const deleteAtOf = (instance: VmInstance): Date | undefined =>
  fromSeconds(metadataOf(instance).get(metadataKeys.deleteAt));

const fromSeconds = (text: string | undefined): Date | undefined =>
  text !== undefined && /^[0-9]+$/.test(text) ? new Date(Number(text) * 1_000) : undefined;

/** 0 when it is not one. */
function durationOf(text = '0'): number {
  try {
    return parseDuration(meta.idleTimeout, text);
  } catch {
    return 0;
  }
}

function earliest(...dates: readonly (Date | undefined)[]): Date | undefined {
  const known = dates.filter((date) => date !== undefined);
  return known.sort((a, b) => a.getTime() - b.getTime())[0];
}
