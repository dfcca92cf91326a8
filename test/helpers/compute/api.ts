// A fake Compute API: instances and their operations of one project, in the words of Google's schema.
import { randomUUID } from 'node:crypto';
import type { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
import { FakeDisks } from './disks.ts';
import { boot, type Machine, type MachineKind } from './machine.ts';
import { type ApiError, checkInstance, refusal } from './rules.ts';

export type Instance = compute_v1.Schema$Instance;
export type Operation = compute_v1.Schema$Operation;
export type Image = compute_v1.Schema$Image;

/** What a test changes of how the API behaves. */
export interface Plan {
  /** What every new machine is. Default: the buildlet program in a process of its own. */
  machine: (instance: Instance, zone: string) => MachineKind;
  /** What the making of a machine ends with; undefined: success. */
  insertError: (instance: Instance, zone: string) => { code: string; message: string } | undefined;
  /** Awaited before an operation goes on, from PENDING to RUNNING and from there to DONE. */
  beforeStep: (operation: Operation) => Promise<void> | void;
  /** Whether new machines get an external address when they ask for one. */
  givesExternalIp: boolean;
  /** The longest that a wait call waits, in ms. */
  waitLimitMs: number;
}

interface Entry {
  readonly zone: string;
  readonly instance: Instance;
  machine: Machine | undefined;
}

/** The status that an operation names beside its error. */
const httpErrors: Record<string, Partial<Operation>> = {
  EXHAUSTED: { httpErrorStatusCode: 503, httpErrorMessage: 'SERVICE UNAVAILABLE' },
  QUOTA: { httpErrorStatusCode: 403, httpErrorMessage: 'FORBIDDEN' },
};

/**
 * Loopback has 16 million addresses: those of one machine are not another's, nor those of one test process
 * another's.
 */
let addresses = (process.pid >> 6) << 8;
const nextAddress = (half: 0 | 64): string => {
  addresses = (addresses + 1) & 0xffff;
  return `127.${1 + half + (process.pid & 63)}.${addresses >> 8}.${addresses & 0xff}`;
};

export class FakeApi {
  readonly project: string;
  readonly zones: readonly string[];
  readonly plan: Plan = {
    machine: () => 'process',
    insertError: () => undefined,
    beforeStep: () => undefined,
    givesExternalIp: true,
    waitLimitMs: 120_000,
  };
  readonly #self: string;
  readonly #entries = new Map<string, Entry>();
  /** All images, by name. */
  readonly images = new Map<string, Image>();
  readonly disks: FakeDisks;
  readonly #operations = new Map<string, Operation>();
  readonly #byRequest = new Map<string, Operation>();
  readonly #waiting = new Set<() => void>();
  readonly #running = new Set<Promise<void>>();
  #count = 0;

  constructor(endpoint: string, project: string, zones: readonly string[]) {
    this.project = project;
    this.zones = zones;
    this.#self = `${endpoint}compute/v1/projects/${project}`;
    this.disks = new FakeDisks(this.#self);
  }

  /** All machines, in the order they were made. */
  get instances(): Instance[] {
    return [...this.#entries.values()].map(({ instance }) => instance);
  }

  machineOf(zone: string, name: string): Machine | undefined {
    return this.#entries.get(`${zone}/${name}`)?.machine;
  }

  /** Puts a machine there that nobody asked for, and that nothing runs on. */
  add(zone: string, instance: Instance): void {
    this.#entries.set(`${zone}/${instance.name}`, {
      zone,
      instance: { status: 'RUNNING', ...this.#outputFields(zone, instance) },
      machine: undefined,
    });
  }

  insert(zone: string, body: Instance, requestId: string = randomUUID()): Operation | ApiError {
    const known = this.#byRequest.get(requestId);
    if (known !== undefined) return known;
    const { disks = [] } = body;
    const problem = checkInstance(this.project, zone, body) ?? this.disks.refuse(zone, disks);
    if (problem !== undefined) return problem;
    const target = `projects/${this.project}/zones/${zone}/instances/${body.name}`;
    const key = `${zone}/${body.name}`;
    if (this.#entries.has(key)) {
      return refusal(409, 'alreadyExists', `The resource '${target}' already exists`);
    }
    const failure = this.plan.insertError(body, zone);
    const instance = { ...this.#outputFields(zone, body), status: 'PROVISIONING' };
    const entry: Entry = { zone, instance, machine: undefined };
    if (failure === undefined) {
      instance.disks = this.disks.attach(zone, disks, body.name ?? '');
      this.#entries.set(key, entry);
    }
    const operation = this.#operation('insert', zone, body.name ?? '');
    this.#byRequest.set(requestId, operation);
    this.#run(operation, async () => {
      if (failure !== undefined) return failure;
      if (this.#entries.get(key) !== entry) return undefined;
      const machine = await boot(this.plan.machine(instance, zone), instance);
      // It may have been deleted while it booted.
      if (this.#entries.get(key) !== entry) {
        await machine.kill();
        return undefined;
      }
      entry.machine = machine;
      instance.status = 'RUNNING';
      machine.off.then(() => {
        if (instance.status === 'RUNNING') instance.status = 'TERMINATED';
      });
      return undefined;
    });
    return operation;
  }

  get(zone: string, name: string): Instance | ApiError {
    return this.#entries.get(`${zone}/${name}`)?.instance ?? this.#notFound(zone, name);
  }

  delete(zone: string, name: string): Operation | ApiError {
    const key = `${zone}/${name}`;
    const entry = this.#entries.get(key);
    if (entry === undefined) return this.#notFound(zone, name);
    entry.instance.status = 'STOPPING';
    const operation = this.#operation('delete', zone, name);
    this.#run(operation, async () => {
      await entry.machine?.kill();
      if (this.#entries.get(key) !== entry) return undefined;
      this.disks.detach(entry.instance.disks ?? []);
      this.#entries.delete(key);
      return undefined;
    });
    return operation;
  }

  setLabels(
    zone: string,
    name: string,
    { labels, labelFingerprint }: compute_v1.Schema$InstancesSetLabelsRequest,
  ): Operation | ApiError {
    const entry = this.#entries.get(`${zone}/${name}`);
    if (entry === undefined) return this.#notFound(zone, name);
    if (labelFingerprint !== entry.instance.labelFingerprint) {
      return refusal(
        412,
        'conditionNotMet',
        'Labels fingerprint either invalid or resource labels have changed',
      );
    }
    entry.instance.labels = { ...labels };
    entry.instance.labelFingerprint = this.#fingerprint();
    const operation = this.#operation('setLabels', zone, name);
    this.#run(operation, async () => undefined);
    return operation;
  }

  setMetadata(
    zone: string,
    name: string,
    { items, fingerprint }: compute_v1.Schema$Metadata,
  ): Operation | ApiError {
    const entry = this.#entries.get(`${zone}/${name}`);
    if (entry === undefined) return this.#notFound(zone, name);
    if (fingerprint !== entry.instance.metadata?.fingerprint) {
      return refusal(
        412,
        'conditionNotMet',
        'Supplied fingerprint does not match current metadata',
      );
    }
    entry.instance.metadata = {
      kind: 'compute#metadata',
      items: items ?? [],
      fingerprint: this.#fingerprint(),
    };
    const operation = this.#operation('setMetadata', zone, name);
    this.#run(operation, async () => undefined);
    return operation;
  }

  detachDisk(zone: string, name: string, deviceName: string): Operation | ApiError {
    const entry = this.#entries.get(`${zone}/${name}`);
    if (entry === undefined) return this.#notFound(zone, name);
    const { disks = [] } = entry.instance;
    const detached = disks.find((disk) => disk.deviceName === deviceName);
    if (detached === undefined) {
      return refusal(400, 'invalid', `No attached disk found with device name '${deviceName}'`);
    }
    const operation = this.#operation('detachDisk', zone, name);
    this.#run(operation, async () => {
      entry.instance.disks = disks.filter((disk) => disk !== detached);
      this.disks.detach([{ ...detached, autoDelete: false }]);
      return undefined;
    });
    return operation;
  }

  deleteDisk(zone: string, name: string): Operation | ApiError {
    const problem = this.disks.refuseDeletion(zone, name);
    if (problem !== undefined) return problem;
    const operation = this.#operation('delete', zone, name, 'disks');
    this.#run(operation, async () => {
      this.disks.all.delete(`${zone}/${name}`);
      return undefined;
    });
    return operation;
  }

  serialOutput(zone: string, name: string): compute_v1.Schema$SerialPortOutput | ApiError {
    const entry = this.#entries.get(`${zone}/${name}`);
    if (entry === undefined) return this.#notFound(zone, name);
    const contents = entry.machine?.log ?? '';
    return {
      kind: 'compute#serialPortOutput',
      contents,
      start: '0',
      next: String(contents.length),
    };
  }

  insertImage(body: Image, isForced: boolean, requestId: string): Operation | ApiError {
    const known = this.#byRequest.get(requestId);
    if (known !== undefined) return known;
    const { name = '', sourceDisk } = body;
    if (!/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name ?? '')) {
      return refusal(400, 'invalid', `Invalid value for field 'name': '${name}'`);
    }
    const [, zone, disk] = /\/zones\/([^/]+)\/disks\/([^/]+)$/.exec(sourceDisk ?? '') ?? [];
    const of = this.instances.find(
      ({ zone: at, disks = [] }) =>
        at?.endsWith(`/${zone}`) && disks[0]?.initializeParams?.diskName === disk,
    );
    if (of === undefined) {
      return refusal(404, 'notFound', `The resource '${sourceDisk}' was not found`);
    }
    if (of.status === 'RUNNING' && !isForced) {
      return refusal(
        400,
        'resourceInUseByAnotherResource',
        `'${sourceDisk}' is already being used`,
      );
    }
    const image = {
      ...body,
      kind: 'compute#image',
      id: String(10 ** 15 + ++this.#count),
      selfLink: `${this.#self}/global/images/${name}`,
      labelFingerprint: this.#fingerprint(),
      status: 'PENDING',
    };
    this.images.set(name ?? '', image);
    const operation = this.#operation('insert', undefined, `images/${name}`);
    this.#byRequest.set(requestId, operation);
    this.#run(operation, async () => {
      Object.assign(image, { status: 'READY', archiveSizeBytes: '123456', diskSizeGb: '10' });
      return undefined;
    });
    return operation;
  }

  image(name: string): Image | ApiError {
    const target = `projects/${this.project}/global/images/${name}`;
    return (
      this.images.get(name) ?? refusal(404, 'notFound', `The resource '${target}' was not found`)
    );
  }

  deleteImage(name: string): Operation | ApiError {
    const found = this.image(name);
    if ('error' in found) return found;
    const operation = this.#operation('delete', undefined, `images/${name}`);
    this.#run(operation, async () => {
      this.images.delete(name);
      return undefined;
    });
    return operation;
  }

  operation(zone: string, name: string): Operation | ApiError {
    const found = this.#operations.get(`${zone}/${name}`);
    return found ?? refusal(404, 'notFound', `The resource 'operations/${name}' was not found`);
  }

  /** As the API does: answers when the operation is done, or when it has waited long enough. */
  async wait(zone: string, name: string): Promise<Operation | ApiError> {
    const operation = this.operation(zone, name);
    if ('error' in operation && 'code' in operation) return operation;
    const late = AbortSignal.timeout(this.plan.waitLimitMs);
    while ((operation as Operation).status !== 'DONE' && !late.aborted) {
      await new Promise<void>((resolve) => {
        const go = () => {
          this.#waiting.delete(go);
          late.removeEventListener('abort', go);
          resolve();
        };
        this.#waiting.add(go);
        late.addEventListener('abort', go);
      });
    }
    return { ...operation };
  }

  /** Ends all machines and waits for what is under way. */
  async close(): Promise<void> {
    this.plan.beforeStep = () => undefined;
    for (const { instance, zone } of this.#entries.values()) this.delete(zone, instance.name ?? '');
    await Promise.all(this.#running);
  }

  #run(
    operation: Operation,
    work: () => Promise<{ code: string; message: string } | undefined>,
  ): void {
    const step = (change: Partial<Operation>) => {
      Object.assign(operation, change);
      for (const go of [...this.#waiting]) go();
    };
    const running = (async () => {
      await this.plan.beforeStep(operation);
      step({ status: 'RUNNING', progress: 50 });
      await this.plan.beforeStep(operation);
      const failure = await work();
      const end = { status: 'DONE', progress: 100, endTime: new Date().toISOString() };
      if (failure === undefined) return step(end);
      step({
        ...end,
        error: { errors: [failure] },
        ...httpErrors[/EXHAUSTED|QUOTA/.exec(failure.code)?.[0] ?? ''],
      });
    })();
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** @param zone Absent: a global one. */
  #operation(
    type: string,
    zone: string | undefined,
    target: string,
    kind = 'instances',
  ): Operation {
    const name = `operation-${randomUUID()}`;
    const place = `${this.#self}/${zone === undefined ? 'global' : `zones/${zone}`}`;
    const operation: Operation = {
      kind: 'compute#operation',
      id: String(++this.#count),
      name,
      ...(zone !== undefined && { zone: `${this.#self}/zones/${zone}` }),
      operationType: type,
      targetLink: `${place}/${zone === undefined ? '' : `${kind}/`}${target}`,
      selfLink: `${place}/operations/${name}`,
      status: 'PENDING',
      progress: 0,
      user: 'tester@example.com',
      insertTime: new Date().toISOString(),
    };
    this.#operations.set(`${zone ?? ''}/${name}`, operation);
    return operation;
  }

  /** What the API adds to an instance. */
  #outputFields(zone: string, body: Instance): Instance {
    const number = ++this.#count;
    return {
      ...body,
      kind: 'compute#instance',
      id: String(10 ** 15 + number),
      creationTimestamp: new Date().toISOString(),
      zone: `${this.#self}/zones/${zone}`,
      selfLink: `${this.#self}/zones/${zone}/instances/${body.name}`,
      labelFingerprint: this.#fingerprint(),
      metadata: {
        kind: 'compute#metadata',
        ...body.metadata,
        fingerprint: this.#fingerprint(),
      },
      networkInterfaces: (body.networkInterfaces ?? []).map((nic, i) => ({
        ...nic,
        name: `nic${i}`,
        networkIP: nextAddress(64),
        ...(nic.accessConfigs && {
          accessConfigs: nic.accessConfigs.map((config) => ({
            kind: 'compute#accessConfig',
            ...config,
            ...(this.plan.givesExternalIp && { natIP: nextAddress(0) }),
          })),
        }),
      })),
    };
  }

  /** Bytes in base64, as the schema has them. */
  #fingerprint(): string {
    return Buffer.from(`print-${++this.#count}`).toString('base64');
  }

  #notFound(zone: string, name: string): ApiError {
    const target = `projects/${this.project}/zones/${zone}/instances/${name}`;
    return refusal(404, 'notFound', `The resource '${target}' was not found`);
  }
}
