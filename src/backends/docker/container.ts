// What is stored of a buildlet on the engine: its container, with its state in the container's labels.
import * as v from 'valibot';
import type { ContainerOptions, DockerMachine, HostType } from '../../builders.ts';
import { forCommandsPrefix } from '../../buildlet/command/environment.ts';
import { GomoteError } from '../../errors.ts';
import { readVersion } from '../../package-root.ts';
import { type Labels, labelsOf } from '../../protocol/labels.ts';
import type { Instance } from '../backend.ts';
import { keptCapabilities } from '../kept-capabilities.ts';
import { storeArguments } from '../machine-store.ts';
import { startArguments } from '../payload.ts';
import { mount } from './dial.ts';
import type { Engine } from './engine.ts';
import {
  cachesDirectory,
  currentPayload,
  openName,
  payloadDirectory,
  storeDirectory,
  volumeDirectory,
} from './paths.ts';

export const labels = {
  role: 'gomote.role',
  owner: 'gomote.owner',
  builderType: 'gomote.type',
  hostType: 'gomote.host',
  /** RFC 3339. */
  created: 'gomote.created',
  /** RFC 3339: when it ends if it is never used. */
  expires: 'gomote.expires',
  /** Where the buildlet listens in the container. */
  socket: 'gomote.socket',
  version: 'gomote.version',
  /** Of an image: its id. */
  image: 'gomote.image',
  /** Of an image: the size of the one that the first of its machines was made of. */
  baseBytes: 'gomote.base-bytes',
} as const;

/** The prefix of the user's own labels. */
const userLabel = 'gomote.label.';

/** The prefix of the labels that say which volumes of caches it has, and how. */
export const cacheLabel = 'gomote.cache.';

/** The value of a label that an image has taken over from its container: none, since it cannot be left out. */
export const hidden = ' ';

const defaultPidsLimit = 4_096;

/** A cache, and what the container's label says of it. */
export interface PlannedCache {
  readonly name: string;
  readonly path: string;
  readonly volume: string;
  readonly usage: string;
}

/** The volume with the owner's content store. */
export interface StoreVolume {
  readonly volume: string;
  readonly limitBytes: number;
}

export interface ContainerPlan {
  readonly name: string;
  readonly owner: string;
  readonly builderType: string;
  readonly hostType: string;
  readonly machine: DockerMachine;
  /** The image's own, `KEY=VALUE`. */
  readonly imageEnv: readonly string[];
  /** Whether the buildlet runs as root, who needs no directory that others can write. */
  readonly isRoot: boolean;
  /** The volume with the programs. */
  readonly payloadVolume: string;
  readonly caches: readonly PlannedCache[];
  readonly store?: StoreVolume | undefined;
  readonly idleTimeoutMs: number;
  readonly holdMs?: number | undefined;
  /** Its user's own. */
  readonly userLabels?: Labels | undefined;
  readonly maxLifetimeMs: number;
}

/** The machine of a host type, with the backend's defaults. Throws ERR_UNKNOWN_TYPE when it has none for this platform. */
export function dockerMachineOf(host: HostType, defaults: ContainerOptions): DockerMachine {
  if (host.docker === undefined) {
    throw new GomoteError('ERR_UNKNOWN_TYPE', `host type "${host.name}" is not a container`, {
      hint: `give it an image: image = "debian:12" in [hosts.${host.name}]`,
    });
  }
  const given = Object.entries(host.docker).filter(([, value]) => value !== undefined);
  const { docker: own } = host;
  return {
    ...defaults,
    ...(Object.fromEntries(given) as unknown as DockerMachine),
    // Values of both are combined.
    volumes: [...(defaults.volumes ?? []), ...(own.volumes ?? [])],
    env: [...(defaults.env ?? []), ...(own.env ?? [])],
    labels: { ...defaults.labels, ...own.labels },
    capabilities: [...(defaults.capabilities ?? []), ...(own.capabilities ?? [])],
  };
}

/** Where the buildlet's own files are. */
const directoryOf = ({ isRoot }: ContainerPlan): string =>
  isRoot ? volumeDirectory : `${volumeDirectory}/${openName}`;

/** Where the buildlet listens in the container. */
export const socketOf = (plan: ContainerPlan): string => `${directoryOf(plan)}/socket`;

/** The body of the request that makes the container. */
export function containerOf(plan: ContainerPlan, nowMs = Date.now()): Record<string, unknown> {
  const { name, machine, idleTimeoutMs, maxLifetimeMs, holdMs } = plan;
  const directory = directoryOf(plan);
  const socket = socketOf(plan);
  const expiresMs = Math.min(nowMs + idleTimeoutMs, nowMs + maxLifetimeMs);
  return {
    Image: machine.image,
    Hostname: name.replaceAll(/[^A-Za-z0-9-]/g, '-').slice(0, 63),
    ...(machine.user !== undefined && { User: machine.user }),
    Env: [...environmentOf(plan), `TMPDIR=${directory}`],
    Entrypoint: startArguments(currentPayload),
    Cmd: [
      ...['--listen', `unix:${socket}`, '--workdir', `${directory}/work`],
      // The image's own environment is meant for commands.
      '--inherit-env',
      ...plan.caches.flatMap(({ name, path }) => ['--cache', `${path}:${cachesDirectory}/${name}`]),
      ...(plan.store === undefined
        ? []
        : storeArguments({ ...plan.store, directory: storeIn(plan.isRoot) })),
      ...(idleTimeoutMs === Infinity ? [] : ['--idle-timeout', `${idleTimeoutMs}ms`]),
      ...(holdMs === undefined ? [] : ['--hold', `${holdMs}ms`]),
      ...(maxLifetimeMs === Infinity ? [] : ['--max-lifetime', `${maxLifetimeMs}ms`]),
    ],
    WorkingDir: '/',
    Healthcheck: { Test: ['NONE'] },
    StopSignal: 'SIGTERM',
    AttachStdout: true,
    AttachStderr: true,
    Labels: {
      ...machine.labels,
      ...Object.fromEntries(
        Object.entries(plan.userLabels ?? {}).map(([key, value]) => [userLabel + key, value]),
      ),
      ...Object.fromEntries(plan.caches.map(({ volume, usage }) => [cacheLabel + volume, usage])),
      [labels.role]: 'buildlet',
      [labels.owner]: plan.owner,
      [labels.builderType]: plan.builderType,
      [labels.hostType]: plan.hostType,
      [labels.created]: new Date(nowMs).toISOString(),
      ...(expiresMs !== Infinity && { [labels.expires]: new Date(expiresMs).toISOString() }),
      [labels.socket]: socket,
      [labels.version]: readVersion(),
    },
    HostConfig: hostConfigOf(plan),
  };
}

/** Variables of images that must not affect our loader and our Node. */
const notForNode = /^(LD_|NODE_|OPENSSL_|SSL_CERT_|GLIBC_TUNABLES$)/;

function environmentOf({ machine, imageEnv }: ContainerPlan): string[] {
  const given = [...imageEnv, ...(machine.env ?? [])].filter((pair) => notForNode.test(pair));
  return [
    ...(machine.env ?? []),
    ...given.map((pair) => `${forCommandsPrefix}${pair}`),
    ...new Set(given.map((pair) => pair.replace(/=.*$/s, '='))),
  ];
}

/** The root of the volume is the engine's; in it, the buildlet makes a directory that is closed to others. */
const storeIn = (isRoot: boolean): string =>
  `${storeDirectory}/${isRoot ? '' : `${openName}/`}contents`;

function hostConfigOf({
  machine,
  payloadVolume,
  isRoot,
  caches,
  store,
}: ContainerPlan): Record<string, unknown> {
  const { memoryBytes, cpus, pidsLimit = defaultPidsLimit, readOnly = false } = machine;
  return {
    // It is removed when the buildlet ends, with its own volume.
    AutoRemove: true,
    Init: true,
    Privileged: false,
    CapDrop: ['ALL'],
    // Podman would also grant them to another user, who could then read and write root's files.
    CapAdd: [...(isRoot ? keptCapabilities : []), ...(machine.capabilities ?? [])],
    SecurityOpt: ['no-new-privileges'],
    PidsLimit: pidsLimit === 0 ? -1 : pidsLimit,
    ...(memoryBytes !== undefined && { Memory: memoryBytes, MemorySwap: memoryBytes }),
    ...(cpus !== undefined && { NanoCpus: Math.round(cpus * 1e9) }),
    ...(machine.network !== undefined && { NetworkMode: machine.network }),
    ...(machine.runtime !== undefined && { Runtime: machine.runtime }),
    ReadonlyRootfs: readOnly,
    ...(readOnly && { Tmpfs: { '/tmp': 'exec,mode=1777', '/run': 'exec,mode=755' } }),
    Binds: machine.volumes ?? [],
    Mounts: [
      {
        ...{ Type: 'volume', Source: payloadVolume, Target: payloadDirectory, ReadOnly: true },
        VolumeOptions: { NoCopy: true, Labels: payloadLabels() },
      },
      { Type: 'volume', Target: volumeDirectory, VolumeOptions: { NoCopy: true } },
      ...caches.map(({ name, volume }) => ({
        ...{ Type: 'volume', Source: volume, Target: `${cachesDirectory}/${name}` },
        VolumeOptions: { NoCopy: true },
      })),
      ...(store === undefined
        ? []
        : [
            {
              ...{ Type: 'volume', Source: store.volume, Target: storeDirectory },
              VolumeOptions: { NoCopy: true },
            },
          ]),
    ],
  };
}

const payloadLabels = (): Record<string, string> => ({
  [labels.role]: 'payload',
  [labels.version]: readVersion(),
});

/** A container that is never started, by which a payload is copied into its volume. */
export const payloadContainer = (
  image: string,
  payloadVolume: string,
): Record<string, unknown> => ({
  Image: image,
  Entrypoint: ['/'],
  Labels: { [labels.role]: 'filler' },
  HostConfig: {
    NetworkMode: 'none',
    Mounts: [
      {
        ...{ Type: 'volume', Source: payloadVolume, Target: payloadDirectory },
        VolumeOptions: { NoCopy: true, Labels: payloadLabels() },
      },
    ],
  },
});

/** A container as the engine lists it. */
const listedContainer = v.object({
  Id: v.string(),
  Names: v.array(v.string()),
  Labels: v.nullish(v.record(v.string(), v.string())),
  State: v.optional(v.string(), ''),
  Status: v.optional(v.string(), ''),
  /** Unix seconds. */
  Created: v.optional(v.number(), 0),
  Mounts: v.nullish(v.array(mount)),
});
export type ListedContainer = v.InferOutput<typeof listedContainer>;

/** All containers that have the labels, `KEY` or `KEY=VALUE` each. */
export async function listContainers(
  engine: Engine,
  label: readonly string[],
  signal: AbortSignal,
): Promise<ListedContainer[]> {
  const query = { all: '1', filters: JSON.stringify({ label }) };
  const reply = await engine.json({ method: 'GET', path: '/containers/json', query, signal });
  return v.parse(v.array(listedContainer), reply);
}

export const nameOf = ({ Names: [name = ''] }: ListedContainer): string => name.replace(/^\//, '');

/** What is shown of a container. */
export function instanceOf(name: string, own: Readonly<Record<string, string>>): Instance {
  return {
    name,
    builderType: own[labels.builderType] ?? '',
    hostType: own[labels.hostType] ?? '',
    owner: own[labels.owner] ?? '',
    created: dateOf(own[labels.created]),
    expires: dateOf(own[labels.expires]),
    dead: undefined,
    labels: labelsOf(
      Object.fromEntries(
        Object.entries(own)
          .filter(([key]) => key.startsWith(userLabel))
          .map(([key, value]) => [key.slice(userLabel.length), value]),
      ),
    ),
  };
}

function dateOf(text: string | undefined): Date | undefined {
  const atMs = Date.parse(text ?? '');
  return Number.isNaN(atMs) ? undefined : new Date(atMs);
}
