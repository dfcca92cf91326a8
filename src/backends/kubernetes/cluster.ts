// The part of the Kubernetes API that buildlets need, by @kubernetes/client-node; loaded with the first request.
import { delimiter } from 'node:path';
import type { Duplex } from 'node:stream';
import type {
  KubeConfig as Config,
  CoreV1Api as Core,
  CoreV1Event,
  V1PersistentVolumeClaim,
  V1Pod,
  V1Secret,
} from '@kubernetes/client-node';
import { GomoteError, messageOf } from '../../errors.ts';
import type { Gate } from '../../rate-limit.ts';
import { anySignal } from '../../timeout-signal.ts';
import { type ApiCall, ApiCalls, type CallOptions } from './api-calls.ts';
import {
  CoreV1Api,
  createConfiguration,
  KubeConfig,
  ServerConfiguration,
  Watch,
} from './client-node.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { refusalOf } from './cluster-error.ts';
import { forwardPort } from './forward-port.ts';
import { SnapshotCalls } from './snapshot-calls.ts';

interface ClusterOptions {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** Awaited before every call. */
  readonly gate: Gate;
  /** How many of a list come in one reply. Default 500. */
  readonly pageSize?: number | undefined;
}

/** How long a watch lasts before it is restarted, in seconds: a dead connection goes unnoticed for at most this long. */
const watchSeconds = 60;

export class Cluster {
  readonly namespace: string;
  readonly snapshots: SnapshotCalls;
  readonly #config: Config;
  readonly #core: Core;
  readonly #calls: ApiCalls;
  readonly #pageSize: number;

  constructor(config: Config, options: Pick<ClusterOptions, 'namespace' | 'gate' | 'pageSize'>) {
    const server = config.getCurrentCluster()?.server;
    if (server === undefined) {
      throw new GomoteError('ERR_CONFIG', 'the kubeconfig has no current cluster', {
        hint: 'give context = "NAME" in the configuration, or kubectl config use-context NAME',
      });
    }
    const context = config.getContextObject(config.getCurrentContext());
    this.namespace = options.namespace ?? context?.namespace ?? 'default';
    this.#config = config;
    this.#calls = new ApiCalls(options.gate);
    this.#pageSize = options.pageSize ?? 500;
    const configuration = createConfiguration({
      baseServer: new ServerConfiguration(server, {}),
      authMethods: { default: config },
    });
    this.#core = new CoreV1Api(configuration);
    this.snapshots = new SnapshotCalls(this.#calls, configuration, this.namespace);
  }

  /** The cluster of a caller's `KubeConfig`, from any copy of the package. */
  static of(config: ClusterConfig, options: Pick<ClusterOptions, 'namespace' | 'gate'>): Cluster {
    return new Cluster(config as Config, options);
  }

  static open(options: ClusterOptions): Cluster {
    const config = new KubeConfig();
    const file = options.kubeconfig ?? options.environment.KUBECONFIG ?? '';
    try {
      if (file !== '' && !file.includes(delimiter)) config.loadFromFile(file);
      else config.loadFromDefault();
      if (options.context !== undefined) config.setCurrentContext(options.context);
      return new Cluster(config, options);
    } catch (error) {
      if (error instanceof GomoteError) throw error;
      throw new GomoteError('ERR_CONFIG', `cannot use the kubeconfig: ${messageOf(error)}`, {
        hint: 'give kubeconfig = "FILE", or set KUBECONFIG',
        cause: error,
      });
    }
  }

  /** Fails as the library does. The signal cancels only calls that have not begun. Also waits at the gate for the Secret. */
  async createPod(body: V1Pod, call: ApiCall): Promise<V1Pod> {
    const { namespace } = this;
    return await this.#calls.once(call, 2, (options) =>
      this.#core.createNamespacedPod({ namespace, body }, options),
    );
  }

  /** Like `createPod`, but without waiting: the kubelet is about to look for it. */
  async createSecret(body: V1Secret): Promise<V1Secret> {
    const { namespace } = this;
    return await this.#calls.once({}, 0, (options) =>
      this.#core.createNamespacedSecret({ namespace, body }, options),
    );
  }

  /** Undefined when there is none. */
  async readPod(name: string, call: ApiCall): Promise<V1Pod | undefined> {
    return await this.#calls.optional(`read pod ${name}`, call, (options) =>
      this.#core.readNamespacedPod({ name, namespace: this.namespace }, options),
    );
  }

  async readSecret(name: string, call: ApiCall): Promise<V1Secret | undefined> {
    return await this.#calls.optional(`read secret ${name}`, call, (options) =>
      this.#core.readNamespacedSecret({ name, namespace: this.namespace }, options),
    );
  }

  async createClaim(
    body: V1PersistentVolumeClaim,
    call: ApiCall,
  ): Promise<V1PersistentVolumeClaim> {
    const { namespace } = this;
    return await this.#calls.repeat(`create claim ${body.metadata?.name}`, call, (options) =>
      this.#core.createNamespacedPersistentVolumeClaim({ namespace, body }, options),
    );
  }

  async readClaim(name: string, call: ApiCall): Promise<V1PersistentVolumeClaim | undefined> {
    const { namespace } = this;
    return await this.#calls.optional(`read claim ${name}`, call, (options) =>
      this.#core.readNamespacedPersistentVolumeClaim({ name, namespace }, options),
    );
  }

  /** Deletes the claim of that uid, once no pod uses it. */
  async deleteClaim(name: string, uid: string | undefined, call: ApiCall): Promise<void> {
    const body = uid === undefined ? {} : { preconditions: { uid } };
    await this.#calls.optional(`delete claim ${name}`, call, (options) =>
      this.#core.deleteNamespacedPersistentVolumeClaim(
        { name, namespace: this.namespace, body },
        options,
      ),
    );
  }

  async listClaims(labelSelector: string, call: ApiCall): Promise<V1PersistentVolumeClaim[]> {
    const { namespace } = this;
    const list = await this.#pages<V1PersistentVolumeClaim>('list claims', call, (page, options) =>
      this.#core.listNamespacedPersistentVolumeClaim(
        { ...page, namespace, labelSelector },
        options,
      ),
    );
    return list.items;
  }

  /** Deletes the pod, if given only with that uid. It is not an error when it is already gone. */
  async deletePod(name: string, uid: string | undefined, call: ApiCall): Promise<void> {
    const body = {
      gracePeriodSeconds: 1,
      ...(uid !== undefined && { preconditions: { uid } }),
    };
    await this.#calls.optional(`delete pod ${name}`, call, (options) =>
      this.#core.deleteNamespacedPod({ name, namespace: this.namespace, body }, options),
    );
  }

  async deleteSecret(name: string, call: ApiCall): Promise<void> {
    await this.#calls.optional(`delete secret ${name}`, call, (options) =>
      this.#core.deleteNamespacedSecret({ name, namespace: this.namespace }, options),
    );
  }

  /** Merges annotations into the pod's. With a version, fails with ERR_NAME_TAKEN if the pod has changed. */
  async annotatePod(
    name: string,
    annotations: Readonly<Record<string, string>>,
    call: ApiCall,
    resourceVersion?: string,
  ): Promise<void> {
    const body = { metadata: { annotations, ...(resourceVersion && { resourceVersion }) } };
    const patch = { 'Content-Type': 'application/merge-patch+json' };
    await this.#calls.optional(
      `annotate pod ${name}`,
      call,
      (options) =>
        this.#core.patchNamespacedPod({ name, namespace: this.namespace, body }, options),
      patch,
    );
  }

  /** All pods of the selector, and the resource version of the list. */
  async listPods(
    labelSelector: string,
    call: ApiCall,
  ): Promise<{ pods: V1Pod[]; version: string | undefined }> {
    const { items, version } = await this.#pages<V1Pod>('list pods', call, (page, options) =>
      this.#core.listNamespacedPod({ ...page, namespace: this.namespace, labelSelector }, options),
    );
    return { pods: items, version };
  }

  async listSecrets(labelSelector: string, call: ApiCall): Promise<V1Secret[]> {
    const list = await this.#pages<V1Secret>('list secrets', call, (page, options) =>
      this.#core.listNamespacedSecret(
        { ...page, namespace: this.namespace, labelSelector },
        options,
      ),
    );
    return list.items;
  }

  async eventsOf(uid: string, call: ApiCall): Promise<CoreV1Event[]> {
    const fieldSelector = `involvedObject.uid=${uid}`;
    const list = await this.#calls.repeat('list events', call, (options) =>
      this.#core.listNamespacedEvent({ namespace: this.namespace, fieldSelector }, options),
    );
    return list.items;
  }

  /** The last lines a container wrote. */
  async logOf(name: string, container: string, tailLines: number, call: ApiCall): Promise<string> {
    const { namespace } = this;
    return await this.#calls.repeat(`read the log of pod ${name}`, call, (options) =>
      this.#core.readNamespacedPodLog({ name, namespace, container, tailLines }, options),
    );
  }

  /**
   * Reports every change of the selector's pods after the version, until the server ends the watch,
   * within a minute. Throws when the watch breaks, or when the version is too old (status 410).
   */
  async watchPods(
    labelSelector: string,
    resourceVersion: string | undefined,
    onChange: (type: string, pod: V1Pod) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const path = `/api/v1/namespaces/${this.namespace}/pods`;
    const query = { labelSelector, resourceVersion, timeoutSeconds: watchSeconds };
    let failure: unknown;
    const onEvent = (type: string, object: V1Pod & { message?: string }) => {
      if (type === 'ERROR') failure = Object.assign(new Error(object.message), object);
      else onChange(type, object);
    };
    const over = new AbortController();
    const stopped = anySignal(signal, over.signal);
    try {
      await new Promise<void>((resolve, reject) => {
        const done = (error: unknown) => (error ? reject(error) : resolve());
        const watching = new Watch(this.#config).watch(path, query, onEvent, done);
        watching.then((controller) => {
          const abort = () => controller.abort();
          if (stopped.aborted) abort();
          else stopped.addEventListener('abort', abort, { once: true });
        }, reject);
      });
      if (failure !== undefined) throw failure;
    } finally {
      over.abort();
    }
  }

  /** Connects the stream to a port of the pod. */
  async forward(name: string, port: number, stream: Duplex): Promise<void> {
    await forwardPort(this.#config, { namespace: this.namespace, name, port }, stream);
  }

  async #pages<T>(
    doing: string,
    call: ApiCall,
    get: (
      page: { limit: number; _continue?: string },
      options: CallOptions,
    ) => Promise<{ items: T[]; metadata?: { _continue?: string; resourceVersion?: string } }>,
  ): Promise<{ items: T[]; version: string | undefined }> {
    const items: T[] = [];
    for (let next: string | undefined; ; ) {
      const from = next;
      try {
        const page = await this.#calls.repeat(doing, call, (options) =>
          get({ limit: this.#pageSize, ...(from && { _continue: from }) }, options),
        );
        items.push(...page.items);
        next = page.metadata?._continue;
        if (!next) return { items, version: page.metadata?.resourceVersion };
      } catch (error) {
        // The list's continue token has expired: start again.
        if (from === undefined || refusalOf((error as Error).cause)?.status !== 410) throw error;
        items.length = 0;
        next = undefined;
      }
    }
  }
}
