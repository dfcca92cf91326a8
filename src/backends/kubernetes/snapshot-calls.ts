// VolumeSnapshots, which a cluster has if its administrator has installed them.
import type { CustomObjectsApi as Objects } from '@kubernetes/client-node';
import * as v from 'valibot';
import { GomoteError } from '../../errors.ts';
import type { ApiCall, ApiCalls } from './api-calls.ts';
import { CustomObjectsApi, type createConfiguration } from './client-node.ts';
import { refusalOf } from './cluster-error.ts';

export const snapshotGroup = 'snapshot.storage.k8s.io';
const version = 'v1';

const schema = v.object({
  status: v.optional(
    v.object({
      readyToUse: v.optional(v.boolean()),
      restoreSize: v.optional(v.union([v.string(), v.pipe(v.number(), v.transform(String))])),
      error: v.optional(v.object({ message: v.optional(v.string(), 'it failed') })),
    }),
  ),
});

export type SnapshotStatus = v.InferOutput<typeof schema>['status'];

export interface NewVolumeSnapshot {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly claim: string;
  /** Absent: the default class of the claim's storage. */
  readonly class: string | undefined;
}

export class SnapshotCalls {
  readonly #calls: ApiCalls;
  readonly #objects: Objects;
  readonly #place;

  constructor(
    calls: ApiCalls,
    configuration: ReturnType<typeof createConfiguration>,
    namespace: string,
  ) {
    this.#calls = calls;
    this.#objects = new CustomObjectsApi(configuration);
    this.#place = { group: snapshotGroup, version, namespace, plural: 'volumesnapshots' };
  }

  /** Throws ERR_UNSUPPORTED when the cluster has no VolumeSnapshots. */
  async create({ name, claim, ...given }: NewVolumeSnapshot, call: ApiCall): Promise<void> {
    const body = {
      apiVersion: `${snapshotGroup}/${version}`,
      kind: 'VolumeSnapshot',
      metadata: { name, labels: given.labels, annotations: given.annotations },
      spec: {
        source: { persistentVolumeClaimName: claim },
        ...(given.class !== undefined && { volumeSnapshotClassName: given.class }),
      },
    };
    try {
      await this.#calls.repeat(`create volume snapshot ${name}`, call, (options) =>
        this.#objects.createNamespacedCustomObject({ ...this.#place, body }, options),
      );
    } catch (error) {
      const refusal = refusalOf((error as Error).cause);
      // A reply was lost: nobody else uses this name.
      if (refusal?.status === 409) return;
      // What is missing is not an object.
      if (refusal?.status !== 404 || refusal.reason === 'NotFound') throw error;
      const message = `the cluster has no VolumeSnapshots (${snapshotGroup}/${version})`;
      throw new GomoteError('ERR_UNSUPPORTED', message, {
        hint: 'leave --kind out, or let its administrator install them: docs/kubernetes.md',
        cause: error,
      });
    }
  }

  /** Undefined when there is none. */
  async read(name: string, call: ApiCall): Promise<{ status: SnapshotStatus } | undefined> {
    const doing = `read volume snapshot ${name}`;
    const found = await this.#calls.optional(doing, call, (options) =>
      this.#objects.getNamespacedCustomObject({ ...this.#place, name }, options),
    );
    if (found === undefined) return undefined;
    const { success, output } = v.safeParse(schema, found);
    if (success) return { status: output.status };
    throw new GomoteError('ERR_REPLY', `cannot ${doing}: the cluster described it in another form`);
  }

  /** It is not an error when it is gone. */
  async delete(name: string, call: ApiCall): Promise<void> {
    await this.#calls.optional(`delete volume snapshot ${name}`, call, (options) =>
      this.#objects.deleteNamespacedCustomObject({ ...this.#place, name }, options),
    );
  }
}
