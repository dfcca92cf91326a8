// A pool over any backend: machines are made when they are asked for, and destroyed when they come back.
import { hash, randomBytes } from 'node:crypto';
import type { AnyBackend } from '../../backends/backend.ts';
import type { HostType } from '../../builders.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { type GomoteError, isGomoteError } from '../../errors.ts';
import type { Labels } from '../../protocol/labels.ts';
import type { PoolConfig } from '../pool-config.ts';
import type { AcquireCall, Pool, PoolCall, PoolImages, ReconcileCall } from './pool.ts';
import { SharedMachines } from './shared-machines.ts';

interface BackendPoolOptions {
  /** As in the configuration. */
  readonly name: string;
  readonly labels?: Labels | undefined;
  readonly backend: AnyBackend;
  readonly kind: string;
  readonly host: HostType;
  /** The owner of the machines on the backend: this coordinator alone, so that it uses no machines of another. */
  readonly owner: string;
  /** See SharedMachines. */
  readonly team: string;
  readonly maximum: number;
  /** Where images of its machines are kept, if its backend can. */
  readonly place: string;
}

export class BackendPool implements Pool {
  readonly name: string;
  readonly hostType: string;
  readonly kind: string;
  readonly shared: SharedMachines | undefined;
  readonly images: PoolImages | undefined;
  onCapacity = (): void => undefined;
  onLost = (): void => undefined;
  #options: BackendPoolOptions;
  /** What the names of its machines begin with: other pools may have machines of the host type in the same place. */
  readonly #prefix: string;

  constructor(options: BackendPoolOptions) {
    this.#options = options;
    this.name = options.name;
    this.hostType = options.host.name;
    this.kind = options.kind;
    const ofPool = hash('sha256', options.name).slice(0, 4);
    this.#prefix = `${options.owner}-${ofPool}`;
    this.shared = sharedOf(options);
    this.images = imagesOf(options);
  }

  get labels(): Labels | undefined {
    return this.#options.labels;
  }

  get capacity(): number {
    return this.#options.maximum;
  }

  get size(): number {
    return this.#options.maximum;
  }

  get isPersonal(): boolean {
    return this.#options.host.caches?.some(({ shared }) => shared !== true) ?? false;
  }

  /** What there is stays; machines that are made from here on are of the new settings. */
  reconfigure(config: PoolConfig): void {
    if (config.kind !== 'local' && config.kind !== 'backend') return;
    const { maximum, labels } = config;
    this.#options = { ...this.#options, maximum, labels, host: hostOf(config) };
  }

  async acquire(call: AcquireCall): Promise<string> {
    const { backend, host } = this.#options;
    // A machine is of a host type only: what a builder type adds comes with each command.
    const builder = { name: host.name, hostType: host.name, env: [] };
    // A name is never used again: after a crash one name must not stand for two machines.
    const user = `${this.#prefix}${randomBytes(4).toString('hex')}`;
    const image = call.image?.image;
    const created = { ...call, user, cacheOwner: call.owner, hasNoStore: true, host, image };
    return (await backend.create(builder, created)).name;
  }

  async release(id: string, call: PoolCall): Promise<void> {
    try {
      await this.#options.backend.destroy(id, call);
    } catch (error) {
      if (!isGomoteError(error, 'ERR_UNKNOWN_BUILDLET')) throw error;
    }
  }

  async connect(id: string): Promise<BuildletClient> {
    return await this.#options.backend.connect(id);
  }

  async renew(id: string, call: PoolCall): Promise<void> {
    await this.#options.backend.renew?.(id, call);
  }

  async explain(id: string, error: GomoteError): Promise<GomoteError> {
    return (await this.#options.backend.explain?.(id, error)) ?? error;
  }

  async reconcile(held: ReadonlySet<string>, call: ReconcileCall): Promise<ReadonlySet<string>> {
    const { backend } = this.#options;
    const there = new Set<string>();
    const orphans = new Set<string>();
    for (const { name, hostType, dead, note } of await backend.list(call)) {
      if (hostType !== this.hostType) continue;
      if (held.has(name)) {
        if (dead === undefined) there.add(name);
      } else if (
        this.#isOwn(name) &&
        !call.named.has(name) &&
        this.shared?.hasSession(name, note) !== true
      ) {
        (call.leavesOthers ? there : orphans).add(name);
      }
    }
    await Promise.all([...orphans].map((name) => this.release(name, call)));
    await backend.reap?.(call);
    return there;
  }

  /** Before 0.2 names did not tell the pool. */
  #isOwn(name: string): boolean {
    const [, rest] = name.split(`${this.#options.owner}-`);
    return name.startsWith(this.#prefix) || (rest !== undefined && /^[0-9a-f]{8}-/.test(rest));
  }

  async close(): Promise<void> {
    // Machines live on without a coordinator; the next one takes them over.
  }
}

/** The host type, with what confines its machines where they are local. */
export const hostOf = (config: PoolConfig): HostType =>
  config.kind === 'local' ? { ...config.host, local: config.machine } : config.host;

/** A snapshot here has an archive in any case, which an image that has the work directory would double. */
function imagesOf({ backend, place }: BackendPoolOptions): PoolImages | undefined {
  if (backend.imagesHaveWorkDir) return undefined;
  const keep = backend.keepImage?.bind(backend);
  const remove = backend.removeImage?.bind(backend);
  return keep && remove && { place, keep, remove };
}

function sharedOf({ backend, host, ...options }: BackendPoolOptions): SharedMachines | undefined {
  const note = backend.note?.bind(backend);
  if (note === undefined) return undefined;
  const list = backend.list.bind(backend);
  return new SharedMachines({ ...options, list, note, hostType: host.name });
}
