// The catalogue: which builder types there are, and on what kind of machine each runs.
import { didYouMean } from './did-you-mean.ts';
import { GomoteError } from './errors.ts';
import type { Cache } from './protocol/cache.ts';

/** Where the script is that makes a new buildlet ready, and the files that it needs there. */
export interface SetupSource {
  /** Absolute: what the others are relative to, also on the buildlet. */
  readonly directory: string;
  /** Absolute. */
  readonly script: string;
  /** Relative to `directory`. */
  readonly files: readonly string[];
  /** Whether the work directory that it leaves is kept, and later machines begin with that. Default: where nothing else can be lost. */
  readonly isKept?: boolean | undefined;
}

/** A kind of machine. */
export interface HostType {
  /** The name that builder types refer to. */
  readonly name: string;
  /** One sentence for `gomote types`. */
  readonly description?: string | undefined;
  /** URL of a .tar.gz with the Go toolchain that builds Go, for `push --go`; absent: there is one, or none is needed. */
  readonly goBootstrap?: string | undefined;
  /** Whether commands get all of the environment in which the buildlet was started, not only the base of it. */
  readonly inheritEnv?: boolean | undefined;
  /** What makes its machines ready. */
  readonly setup?: SetupSource | undefined;
  /** What its machines get of those before them. */
  readonly caches?: readonly Cache[] | undefined;
  /** What confines its commands as a process on this machine. */
  readonly local?: LocalMachine | undefined;
  /** How it is made on Kubernetes; absent: it is not. */
  readonly kubernetes?: KubernetesMachine | undefined;
  /** How it is made on Compute Engine; absent: it is not. */
  readonly gce?: GceMachine | undefined;
  /** How it is made by Docker or Podman; absent: it is not. */
  readonly docker?: DockerMachine | undefined;
}

/** A process on this machine, and what confines its commands. What is absent is not limited. */
export interface LocalMachine {
  /** `none`: commands can do all that their user can. Default `none`; in a coordinator's pool `bubblewrap`. */
  readonly isolation?: 'none' | 'bubblewrap' | undefined;
  /** `none`: a loopback alone. Default `host`. */
  readonly network?: 'host' | 'none' | undefined;
  /** What a sandbox shows of the machine beside its system, by absolute paths. */
  readonly readOnlyPaths?: readonly string[] | undefined;
  /** The same for what commands may also change. */
  readonly writablePaths?: readonly string[] | undefined;
  /** How many CPUs all commands together may use, such as 1.5. */
  readonly cpus?: number | undefined;
  /** How much memory they may use together, in bytes. */
  readonly memoryBytes?: number | undefined;
  /** How many processes and threads there may be. */
  readonly pidsLimit?: number | undefined;
}

/** A machine with what takes precedence over it. Without the sandbox there is nothing that shows the paths of the sandbox. */
export function overridden(machine: LocalMachine = {}, by: LocalMachine = {}): LocalMachine {
  const { readOnlyPaths, writablePaths, ...others } = machine;
  return by.isolation === 'none' ? { ...others, ...by } : { ...machine, ...by };
}

/** A pod with a buildlet in it. */
export interface KubernetesMachine {
  /** A full reference, or a name in the backend's registry and project. */
  readonly image: string;
  /** Default: as Kubernetes has it, by the image's tag. */
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never' | undefined;
  /** The buildlet's port in the pod. Default 5936. */
  readonly port?: number | undefined;
  /** What the scheduler sets aside, and the most the pod may use, as Kubernetes quantities. */
  readonly cpu?: string | undefined;
  /** The most CPU that it may use. Default: that of `podDefaults`. */
  readonly cpuLimit?: string | undefined;
  /** Its memory: what is set aside is also the most. Default: that of `podDefaults`. */
  readonly memory?: string | undefined;
  /** The most disk that its files may take, as a Kubernetes quantity of 64Mi or more. */
  readonly disk?: string | undefined;
  /** The image's own command in place of `buildlet` with its options: for a buildlet that takes none. */
  readonly command?: readonly string[] | undefined;
  /** The volume that its work directory is on, which is deleted with the pod. Default: the work directory is on the pod's own disk. */
  readonly workVolume?: WorkVolume | undefined;
  /** A pod's `metadata` and `spec`, laid over the one that is made; its container is called `buildlet`. */
  readonly template?: Readonly<Record<string, unknown>> | undefined;
}

/** A volume that a pod asks its cluster for. */
export interface WorkVolume {
  /** As a Kubernetes quantity. A snapshot that needs more gets that. */
  readonly size: string;
  /** Its storage class. Default: the cluster's. */
  readonly class?: string | undefined;
  /** The class of snapshots of it. Default: that of its storage. */
  readonly snapshotClass?: string | undefined;
}

/** A container with a buildlet in it. */
export interface DockerMachine extends ContainerOptions {
  /** As `docker run` takes it. It needs neither Node nor a shell. */
  readonly image: string;
}

/** What a container gets and may use. */
export interface ContainerOptions {
  /** Such as `linux/arm64`. Default: the engine's own. */
  readonly platform?: string | undefined;
  /** When the image is pulled. Default `missing`: when the engine does not have it. */
  readonly pull?: 'missing' | 'always' | 'never' | undefined;
  /** How many CPUs it may use, such as 1.5. Default: all. */
  readonly cpus?: number | undefined;
  /** How much memory it may use, in bytes; without swap. Default: all. */
  readonly memoryBytes?: number | undefined;
  /** How many processes and threads it may have. Default 4,096; 0: any number. */
  readonly pidsLimit?: number | undefined;
  /** Who commands run as: a name of the image, or UID[:GID]. Default: as the image says. */
  readonly user?: string | undefined;
  /** `none`, `bridge`, or the name of a network. Default: the engine's own. */
  readonly network?: string | undefined;
  /** Whether only the work directory and the temporary directories can be written. Default false. */
  readonly readOnly?: boolean | undefined;
  /** `SOURCE:DIRECTORY[:ro]`; the source is a path of the engine's machine or the name of a volume. */
  readonly volumes?: readonly string[] | undefined;
  /** `KEY=VALUE`, beside the image's own. */
  readonly env?: readonly string[] | undefined;
  /** Labels beside those that gomote needs. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** An OCI runtime that the engine knows, such as `runsc` or `kata`. Default: the engine's own. */
  readonly runtime?: string | undefined;
  /** Capabilities beside those that builds need, such as `NET_RAW`. */
  readonly capabilities?: readonly string[] | undefined;
}

/** A virtual machine of Compute Engine with a buildlet on it. */
export interface GceMachine {
  /** An image of the project, or a path such as `projects/debian-cloud/global/images/family/debian-12`. */
  readonly image: string;
  /** Such as `n1-standard-1`. */
  readonly machineType: string;
  /** Where the image fetches its buildlet from at boot; absent: it needs none. */
  readonly buildletUrl?: string | undefined;
  /** Default: the image's own size. */
  readonly diskSizeGb?: number | undefined;
  /** A regular disk in place of an SSD. Default false. */
  readonly regularDisk?: boolean | undefined;
  /** Such as `Intel Haswell`. */
  readonly minCpuPlatform?: string | undefined;
  /** `spot` costs less and may be taken away at any time; `preemptible` is its older kind, 24 hours at most. */
  readonly pricing?: 'standard' | 'spot' | 'preemptible' | undefined;
  /** A network's or subnetwork's path. Default: the project's network `default`. */
  readonly network?: string | undefined;
  /** The subnetwork of its network interface. Default: that of the zone. */
  readonly subnetwork?: string | undefined;
  /** More metadata, such as a `startup-script`. */
  readonly meta?: Readonly<Record<string, string>> | undefined;
}

/** A host type plus an environment: what a buildlet is asked for by. */
export interface BuilderType {
  /** As `create` takes it, such as `linux-amd64`. */
  readonly name: string;
  /** The name of the host type that it runs on. */
  readonly hostType: string;
  /** `KEY=VALUE`, given to every command before its own. */
  readonly env: readonly string[];
  /** PATH elements as in `run -path`; absent: PATH as the machine has it. */
  readonly path?: readonly string[] | undefined;
  /** What makes its buildlets ready, after what its host type says. */
  readonly setup?: SetupSource | undefined;
  /** Its own, beside those of its host type. */
  readonly caches?: readonly Cache[] | undefined;
}

/** The builder types and host types that there are. */
export interface Catalogue {
  /** By their names. */
  readonly hosts: readonly HostType[];
  /** By their names. */
  readonly builders: readonly BuilderType[];
}

/** What is there without any configuration. */
export const builtInCatalogue: Catalogue = {
  hosts: [{ name: 'host-local', description: 'a process on this machine' }],
  builders: [{ name: 'local', hostType: 'host-local', env: [] }],
};

/** The builder type called `name`, or the only one whose name begins with it. */
export function findBuilderType(catalogue: Catalogue, name: string): BuilderType {
  const exact = catalogue.builders.find((builder) => builder.name === name);
  if (exact !== undefined) return exact;
  const candidates = catalogue.builders.filter((builder) => builder.name.startsWith(name));
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only;
  const names = (candidates.length > 0 ? candidates : catalogue.builders).map((b) => b.name);
  const isAmbiguous = candidates.length > 0;
  const meant = isAmbiguous ? undefined : didYouMean(name, names);
  throw new GomoteError(
    'ERR_UNKNOWN_TYPE',
    `${isAmbiguous ? 'ambiguous' : 'unknown'} builder type "${name}"`,
    { hint: [meant, `types are: ${names.join(', ')}`].filter(Boolean).join(' ') },
  );
}

/** The builder type's kind of machine. */
export function hostTypeOf(catalogue: Catalogue, builder: BuilderType): HostType {
  return findHostType(catalogue, builder.hostType);
}

/** The host type called `name`; throws ERR_UNKNOWN_TYPE. */
export function findHostType(catalogue: Catalogue, name: string): HostType {
  const found = catalogue.hosts.find((host) => host.name === name);
  if (found !== undefined) return found;
  const names = catalogue.hosts.map((host) => host.name);
  throw new GomoteError('ERR_UNKNOWN_TYPE', `unknown host type "${name}"`, {
    hint: [didYouMean(name, names), `host types are: ${names.join(', ')}`]
      .filter(Boolean)
      .join(' '),
  });
}

/** What follows `<user>-<type>` in a name: a number, or a random part on platforms that remember no names. */
export const nameEnding = /-([0-9]+|[a-z][a-z0-9]{4})$/;

/** Text as part of a name where only small letters, digits and hyphens are allowed. */
export const plainNamePart = (text: string): string =>
  text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');

/** The builder type in a buildlet's name or in an address `<type>@<host>`; undefined if unknown. */
export function builderTypeOfName(catalogue: Catalogue, name: string): BuilderType | undefined {
  const at = name.indexOf('@');
  if (at >= 0) return catalogue.builders.find((builder) => builder.name === name.slice(0, at));
  const stem = name.replace(nameEnding, '');
  const isIn = (type: string) => stem === type || stem.endsWith(`-${type}`);
  return catalogue.builders
    .filter((builder) => isIn(builder.name) || isIn(plainNamePart(builder.name)))
    .sort((a, b) => b.name.length - a.name.length)[0];
}
