// A virtual machine with a buildlet: the request that creates it, and its data.
import type { GceMachine, HostType } from '../../builders.ts';
import { KeyPair } from '../../client/key-pair.ts';
import { GomoteError } from '../../errors.ts';
import type { VmInstance } from './compute.ts';
import type { AttachedDisk } from './disks.ts';

/** The metadata that a buildlet and its clients read; the first seven are those of Go's coordinator. */
export const metadataKeys = {
  binaryUrl: 'buildlet-binary-url',
  hostType: 'buildlet-host-type',
  inheritEnv: 'inherit-env',
  cert: 'tls-cert',
  key: 'tls-key',
  password: 'password',
  /** Unix seconds, after which anyone may delete the machine. */
  deleteAt: 'delete-at',
  /** Where the buildlet listens, if not on 443 or 80. */
  listen: 'listen',
  /** The request that created the machine. */
  request: 'gomote-request',
  /** The disks of its caches: a line `PATH:DEVICE` for each. */
  cacheDisks: 'cache-disks',
} as const;

/** What a machine has because of its caches. */
export interface MachineDisks {
  /** The value of its metadata `cache-disks`. */
  readonly places: string;
  attachedIn(zone: string): AttachedDisk[];
}

export interface VmRequest {
  readonly name: string;
  readonly zone: string;
  readonly hostType: HostType;
  readonly pricing: NonNullable<GceMachine['pricing']>;
  readonly tls: KeyPair;
  readonly description: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Infinity: never. */
  readonly deleteInMs: number;
  readonly hasExternalIp: boolean;
  readonly port: number | undefined;
  readonly requestId: string;
  readonly disks?: MachineDisks | undefined;
}

/** The minimum and maximum run duration that Compute Engine can enforce, in s. */
const runLimits = { least: 30, most: 120 * 24 * 3_600 };

/** The host type's machine. Throws ERR_UNKNOWN_TYPE when it has none for Compute Engine. */
export function gceMachineOf({ name, gce, kubernetes }: HostType): GceMachine {
  if (gce !== undefined) return gce;
  const kind = kubernetes === undefined ? '' : ': it is a pod';
  throw new GomoteError(
    'ERR_UNKNOWN_TYPE',
    `host type "${name}" is not made on Compute Engine${kind}`,
    { hint: `add [hosts.${name}.gce] with image and machine-type, or use another backend` },
  );
}

/** The body of the request that makes the machine. */
export function vmBody(project: string, request: VmRequest): VmInstance {
  const { name, zone, hostType } = request;
  const machine = gceMachineOf(hostType);
  const inZone = (what: string) => `projects/${project}/zones/${zone}/${what}`;
  return {
    name,
    description: request.description,
    machineType: inZone(`machineTypes/${machine.machineType}`),
    ...(machine.minCpuPlatform !== undefined && { minCpuPlatform: machine.minCpuPlatform }),
    disks: [
      {
        autoDelete: true,
        boot: true,
        type: 'PERSISTENT',
        initializeParams: {
          diskName: name,
          sourceImage: machine.image.includes('/')
            ? machine.image
            : `projects/${project}/global/images/${machine.image}`,
          ...(!machine.regularDisk && { diskType: inZone('diskTypes/pd-ssd') }),
          ...(machine.diskSizeGb !== undefined && { diskSizeGb: String(machine.diskSizeGb) }),
        },
      },
      ...(request.disks?.attachedIn(zone) ?? []),
    ],
    networkInterfaces: [
      {
        ...networkOf(machine, project),
        ...(request.hasExternalIp && {
          accessConfigs: [{ type: 'ONE_TO_ONE_NAT', name: 'External NAT' }],
        }),
      },
    ],
    // Only a buildlet with a password may be reached from outside, and only by HTTPS.
    tags: { items: ['https-server'] },
    labels: { ...request.labels },
    metadata: { items: metadataItems(request, machine) },
    scheduling: scheduling(request),
  };
}

function networkOf({ network, subnetwork }: GceMachine, project: string) {
  if (subnetwork !== undefined) return { ...(network !== undefined && { network }), subnetwork };
  return { network: network ?? `projects/${project}/global/networks/default` };
}

function metadataItems(request: VmRequest, machine: GceMachine) {
  const { tls, deleteInMs, port } = request;
  const own: Record<string, string | undefined> = {
    [metadataKeys.binaryUrl]: machine.buildletUrl,
    [metadataKeys.hostType]: request.hostType.name,
    [metadataKeys.request]: request.requestId,
    [metadataKeys.inheritEnv]: request.hostType.inheritEnv ? '1' : undefined,
    ...(!tls.isZero() && {
      [metadataKeys.cert]: tls.certPem,
      [metadataKeys.key]: tls.keyPem,
      [metadataKeys.password]: tls.password(),
    }),
    ...(Number.isFinite(deleteInMs) && {
      [metadataKeys.deleteAt]: String(Math.floor((Date.now() + deleteInMs) / 1_000)),
    }),
    ...(port !== undefined && { [metadataKeys.listen]: `:${port}` }),
    [metadataKeys.cacheDisks]: request.disks?.places,
  };
  return Object.entries({ ...machine.meta, ...request.meta, ...own }).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value }],
  );
}

function scheduling({ pricing, deleteInMs }: VmRequest): NonNullable<VmInstance['scheduling']> {
  const { least, most } = runLimits;
  const seconds = Math.max(least, Math.ceil(deleteInMs / 1_000));
  const ends = seconds <= most;
  return {
    preemptible: pricing !== 'standard',
    ...(pricing !== 'preemptible' && { provisioningModel: pricing.toUpperCase() }),
    // A restarted machine would have lost its user's files.
    automaticRestart: false,
    ...(pricing !== 'standard' && { onHostMaintenance: 'TERMINATE' }),
    ...(ends && { maxRunDuration: { seconds: String(seconds) } }),
    ...((ends || pricing === 'spot') && { instanceTerminationAction: 'DELETE' }),
  };
}

/** The machine's metadata; the last of equal keys wins. */
export function metadataOf(instance: VmInstance): ReadonlyMap<string, string> {
  const items = instance.metadata?.items ?? [];
  return new Map(items.map(({ key = '', value = '' }) => [key, value]));
}

/** The name of the zone of a machine or a disk, which the API gives as a URL. */
export const zoneOf = ({ zone }: Pick<VmInstance, 'zone'>): string => zone?.split('/').at(-1) ?? '';

/** The address and credentials of the machine's buildlet; undefined when the machine has no address. */
export function reachOf(instance: VmInstance): { ipPort: string; tls: KeyPair } | undefined {
  const meta = metadataOf(instance);
  const { cert, key, listen } = metadataKeys;
  const tls = new KeyPair(meta.get(cert) ?? '', meta.get(key) ?? '');
  const interfaces = instance.networkInterfaces ?? [];
  const configs = interfaces.flatMap(({ accessConfigs = [] }) => accessConfigs);
  const external = configs.find(({ type }) => type === 'ONE_TO_ONE_NAT');
  const internalIp = interfaces.find(({ networkIP }) => networkIP)?.networkIP;
  // A machine that should have an external address, but has none, is not reached by another one.
  const ip = tls.isZero() || external === undefined ? internalIp : external.natIP;
  const port = /:([0-9]+)$/.exec(meta.get(listen) ?? '')?.[1] ?? (tls.isZero() ? '80' : '443');
  return ip ? { ipPort: `${ip}:${port}`, tls } : undefined;
}
