// Plays what a cluster with a driver for storage has: volumes are directories of a node, and snapshots of them are copies.
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiregistrationV1Api, type V1PersistentVolumeClaim } from '@kubernetes/client-node';
import * as v from 'valibot';
import { afterAll, expect, vi } from 'vitest';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { core, kubeConfig } from './cluster.ts';
import { onlyNode, onNode } from './on-node.ts';

const group = 'snapshot.storage.k8s.io';
const plural = 'volumesnapshots';

const texts = v.record(v.string(), v.string());

/** What a client may say of a new one: fields that VolumeSnapshots have. */
const newSnapshot = v.strictObject({
  apiVersion: v.literal(`${group}/v1`),
  kind: v.literal('VolumeSnapshot'),
  metadata: v.strictObject({ name: v.string(), labels: texts, annotations: texts }),
  spec: v.strictObject({
    source: v.strictObject({ persistentVolumeClaimName: v.string() }),
    volumeSnapshotClassName: v.optional(v.pipe(v.string(), v.minLength(1))),
  }),
});

export type TestSnapshot = v.InferOutput<typeof newSnapshot> & { status?: object };

/** Whether the API server is a process of this machine, so that it can ask this process. */
export const isNear: boolean = process.env.GOMOTE_TEST_APISERVER_PID_FILE !== undefined;

/**
 * Makes the cluster one with VolumeSnapshots: the API server checks who may do what, and passes requests on to this process.
 * Returns what undoes that.
 */
export async function installSnapshots(
  namespace: string,
  storage: Storage,
): Promise<() => Promise<void>> {
  const { certPem: cert, keyPem: key } = await newKeyPair();
  const server = createServer({ cert, key }, (request, response) => {
    answer(storage, request)
      .catch((error: unknown) => status(400, 'BadRequest', String(error)))
      .then(({ code, body }) => {
        response.writeHead(code, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const registration = kubeConfig.makeApiClient(ApiregistrationV1Api);
  const name = `v1.${group}`;
  await core.createNamespacedService({
    namespace,
    body: {
      metadata: { name: 'snapshots' },
      spec: { type: 'ExternalName', externalName: 'localhost' },
    },
  });
  await registration.createAPIService({
    body: {
      metadata: { name },
      spec: {
        ...{ group, version: 'v1', groupPriorityMinimum: 1_000, versionPriority: 15 },
        insecureSkipTLSVerify: true,
        service: { namespace, name: 'snapshots', port },
      },
    },
  });
  const isAvailable = async () => {
    const { status } = await registration.readAPIService({ name });
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Available', status: 'True' }),
    );
  };
  await vi.waitFor(isAvailable, { timeout: 60_000 });
  return async () => {
    await registration.deleteAPIService({ name });
    server.closeAllConnections();
    server.close();
  };
}

interface Answer {
  readonly code: number;
  readonly body: object;
}

const status = (code: number, reason: string, message: string): Answer => ({
  code,
  body: { apiVersion: 'v1', kind: 'Status', status: 'Failure', code, reason, message },
});

async function answer({ snapshots }: Storage, request: IncomingMessage): Promise<Answer> {
  const { method, url = '' } = request;
  const [, root, asked, version, , , resource, name] = new URL(url, 'https://x').pathname.split(
    '/',
  );
  if (root !== 'apis' || asked !== group || version !== 'v1') return status(404, 'NotFound', url);
  if (resource === undefined) {
    const verbs = ['create', 'delete', 'get'];
    const resources = [{ name: plural, kind: 'VolumeSnapshot', namespaced: true, verbs }];
    const groupVersion = `${group}/v1`;
    return { code: 200, body: { kind: 'APIResourceList', groupVersion, resources } };
  }
  if (method === 'POST') {
    const body = v.parse(newSnapshot, await json(request));
    if (snapshots.has(body.metadata.name)) return status(409, 'AlreadyExists', url);
    snapshots.set(body.metadata.name, body);
    return { code: 201, body };
  }
  const body = snapshots.get(name ?? '');
  if (body === undefined) return status(404, 'NotFound', `${plural}.${group} "${name}" not found`);
  if (method === 'DELETE') snapshots.delete(name ?? '');
  return { code: 200, body };
}

/** The storage of a namespace. */
export interface Storage {
  readonly snapshots: Map<string, TestSnapshot>;
  /** The status of new snapshots; undefined: none for now. */
  answer: ((snapshot: TestSnapshot) => object) | undefined;
}

/** What a volume needs that begins with a snapshot. */
export const restoreBytes = 3 << 20;

/** Serves the claims and the snapshots of the namespace, whose name is that of their storage class, until the end of the file's tests. */
export async function playStorage(namespace: string): Promise<Storage> {
  const storage: Storage = {
    snapshots: new Map(),
    answer: () => ({ readyToUse: true, restoreSize: '3Mi' }),
  };
  const nodeAffinity = await onlyNode();
  const made: string[] = [];
  const volumeOf = ({ metadata }: V1PersistentVolumeClaim) => `${namespace}-${metadata?.uid}`;
  const root = `/node/${namespace}`;
  const copy = (from: string, to: string) =>
    onNode(
      namespace,
      `fs.mkdirSync('${root}', { recursive: true });
       child_process.execFileSync('rsync', ['-a', '${root}/${from}/', '${root}/${to}'])`,
    );

  const provide = async (claim: V1PersistentVolumeClaim) => {
    const name = volumeOf(claim);
    if (claim.spec?.storageClassName !== namespace || made.includes(name)) return;
    const source = claim.spec?.dataSource;
    if (source === undefined) {
      await onNode(namespace, `fs.mkdirSync('${root}/${name}', { recursive: true })`);
    } else {
      await copy(source.name, name);
    }
    await core.createPersistentVolume({
      body: {
        metadata: { name },
        spec: {
          capacity: { storage: claim.spec?.resources?.requests?.storage ?? '' },
          accessModes: ['ReadWriteOnce'],
          persistentVolumeReclaimPolicy: 'Retain',
          storageClassName: namespace,
          claimRef: { namespace, name: claim.metadata?.name ?? '', uid: claim.metadata?.uid ?? '' },
          local: { path: `/tmp/${namespace}/${name}` },
          nodeAffinity,
        },
      },
    });
    made.push(name);
  };

  const take = async (snapshot: TestSnapshot) => {
    if (snapshot.status !== undefined || storage.answer === undefined) return;
    const status = storage.answer(snapshot);
    const { name } = snapshot.metadata;
    const claim = await core.readNamespacedPersistentVolumeClaim({
      namespace,
      name: snapshot.spec.source.persistentVolumeClaimName,
    });
    if ('readyToUse' in status) await copy(volumeOf(claim), name);
    snapshot.status = status;
  };

  const end = new AbortController();
  const serveAll = async () => {
    const claims = await core.listNamespacedPersistentVolumeClaim({ namespace });
    for (const claim of claims.items) await provide(claim);
    for (const one of storage.snapshots.values()) await take(one);
  };
  const serve = async () => {
    while (!end.signal.aborted) {
      // Objects are removed meanwhile, and connections break.
      await serveAll().catch(() => undefined);
      await sleep(100, undefined, { signal: end.signal }).catch(() => undefined);
    }
  };
  const served = serve();
  afterAll(async () => {
    end.abort();
    await served;
    for (const name of made) await core.deletePersistentVolume({ name });
    await onNode(namespace, `fs.rmSync('${root}', { recursive: true, force: true })`);
  }, 120_000);
  return storage;
}
