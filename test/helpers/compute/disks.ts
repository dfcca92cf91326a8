// The disks of the fake Compute API, beside boot disks.
import type { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
import { type ApiError, refusal } from './rules.ts';

export type Disk = compute_v1.Schema$Disk;
type Attached = compute_v1.Schema$AttachedDisk;

export class FakeDisks {
  /** By `ZONE/NAME`. */
  readonly all = new Map<string, Disk>();
  readonly #self: string;
  #count = 0;

  constructor(self: string) {
    this.#self = self;
  }

  urlOf = (zone: string, name: string): string => `${this.#self}/zones/${zone}/disks/${name}`;

  /** Why a machine cannot have these; undefined: it can. */
  refuse(zone: string, attached: readonly Attached[]): ApiError | undefined {
    for (const { initializeParams, source, mode, deviceName } of beside(attached)) {
      const name = initializeParams?.diskName ?? source?.split('/').at(-1) ?? '';
      const found = this.all.get(`${zone}/${name}`);
      const target = `'${this.urlOf(zone, name)}'`;
      const isName = [name, deviceName].every((one) =>
        /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(one ?? ''),
      );
      const diskType = initializeParams?.diskType;
      if (!isName || (diskType && !diskType.includes(`/zones/${zone}/`))) {
        return refusal(400, 'invalid', `Invalid value for field 'disks': ${target}`);
      }
      if (initializeParams && found !== undefined) {
        return refusal(409, 'alreadyExists', `The resource ${target} already exists`);
      }
      if (source && (found === undefined || !source.includes(`/zones/${zone}/`))) {
        return refusal(404, 'notFound', `The resource ${target} was not found`);
      }
      if (source && mode === 'READ_WRITE' && found?.users?.length) {
        const message = `The disk resource ${target} is already being used by '${found.users[0]}'`;
        return refusal(400, 'resourceInUseByAnotherResource', message);
      }
    }
    return undefined;
  }

  /** Gives the machine its disks, some of which are new. Returns them as the API describes them. */
  attach(zone: string, attached: readonly Attached[], instance: string): Attached[] {
    const user = `${this.#self}/zones/${zone}/instances/${instance}`;
    return attached.map((one) => {
      const { initializeParams, source: given, ...rest } = one;
      if (one.boot) return one;
      const name = initializeParams?.diskName ?? given?.split('/').at(-1) ?? '';
      const disk = this.all.get(`${zone}/${name}`) ?? this.#newDisk(zone, name, initializeParams);
      Object.assign(disk, { users: [user], lastAttachTimestamp: new Date().toISOString() });
      return { ...rest, kind: 'compute#attachedDisk', source: this.urlOf(zone, name) };
    });
  }

  detach(attached: readonly Attached[]): void {
    for (const { source, autoDelete } of beside(attached)) {
      const [, key = ''] = /zones\/(.*)$/.exec(source ?? '') ?? [];
      const disk = this.all.get(key.replace('/disks', ''));
      if (disk === undefined) continue;
      disk.users = [];
      disk.lastDetachTimestamp = new Date().toISOString();
      if (autoDelete) this.all.delete(key.replace('/disks', ''));
    }
  }

  /** Why it cannot be deleted. */
  refuseDeletion(zone: string, name: string): ApiError | undefined {
    const disk = this.all.get(`${zone}/${name}`);
    const target = `'${this.urlOf(zone, name)}'`;
    if (disk === undefined) {
      return refusal(404, 'notFound', `The resource ${target} was not found`);
    }
    if (!disk.users?.length) return undefined;
    const message = `The disk resource ${target} is already being used by '${disk.users[0]}'`;
    return refusal(400, 'resourceInUseByAnotherResource', message);
  }

  #newDisk(zone: string, name: string, params: Attached['initializeParams'] = {}): Disk {
    const disk: Disk = {
      kind: 'compute#disk',
      id: String(2 * 10 ** 15 + ++this.#count),
      creationTimestamp: new Date().toISOString(),
      name,
      zone: `${this.#self}/zones/${zone}`,
      selfLink: this.urlOf(zone, name),
      sizeGb: params.diskSizeGb ?? '10',
      type: `${this.#self}/zones/${zone}/diskTypes/${params.diskType?.split('/').at(-1) ?? 'pd-standard'}`,
      labels: { ...params.labels },
      ...(params.description && { description: params.description }),
      status: 'READY',
    };
    this.all.set(`${zone}/${name}`, disk);
    return disk;
  }
}

const beside = (attached: readonly Attached[]): Attached[] => attached.filter(({ boot }) => !boot);
