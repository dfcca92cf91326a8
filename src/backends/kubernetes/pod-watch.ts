// One shared watch over the pods that this process creates.
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import type { Cluster } from './cluster.ts';
import { clusterError, isTransient, refusalOf } from './cluster-error.ts';

interface PodListener {
  /** Called with the pod; undefined when it is gone. */
  onChange(pod: V1Pod | undefined): void;
  /** Called when it cannot be watched. */
  onError(error: Error): void;
}

/** The delay between attempts to reach the server, in ms. */
const pausesMs = { first: 50, longest: 1_000 };

export class PodWatch {
  readonly #cluster: Cluster;
  readonly #selector: string;
  readonly #listeners = new Map<string, PodListener>();
  #stop: AbortController | undefined;

  constructor(cluster: Cluster, selector: string) {
    this.#cluster = cluster;
    this.#selector = selector;
  }

  /** Listens to the pod of that uid, which must exist; call the result to stop. The watch ends with the last listener. */
  listen(uid: string, listener: PodListener): () => void {
    this.#listeners.set(uid, listener);
    if (this.#stop === undefined) {
      this.#stop = new AbortController();
      void this.#watch(this.#stop.signal);
    }
    return () => {
      this.#listeners.delete(uid);
      if (this.#listeners.size > 0) return;
      this.#stop?.abort();
      this.#stop = undefined;
    };
  }

  /** Until stopped: lists the pods, then watches; starts again when the watch ends or breaks. */
  async #watch(signal: AbortSignal): Promise<void> {
    let pauseMs = pausesMs.first;
    while (!signal.aborted) {
      try {
        const version = await this.#tellAll(signal);
        pauseMs = pausesMs.first;
        await this.#cluster.watchPods(
          this.#selector,
          version,
          (type, pod) => this.#tell(pod.metadata?.uid, type === 'DELETED' ? undefined : pod),
          signal,
        );
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error)) return this.#fail(clusterError('watch pods', error));
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
        pauseMs = Math.min(2 * pauseMs, pausesMs.longest);
      }
    }
  }

  async #tellAll(signal: AbortSignal): Promise<string | undefined> {
    // A pod created during the list request may be missing from it.
    const waiting = [...this.#listeners.keys()];
    const list = await this.#cluster.listPods(this.#selector, { signal, patienceMs: 0 });
    const found = new Map(list.pods.map((pod) => [pod.metadata?.uid, pod]));
    for (const [uid, pod] of found) this.#tell(uid, pod);
    for (const uid of waiting) if (!found.has(uid)) this.#tell(uid, undefined);
    return list.version;
  }

  #tell(uid: string | undefined, pod: V1Pod | undefined): void {
    if (uid !== undefined) this.#listeners.get(uid)?.onChange(pod);
  }

  #fail(error: Error): void {
    for (const { onError } of [...this.#listeners.values()]) onError(error);
  }
}

/** Whether the watch only needs a restart: it broke, or its version is too old for the server. */
function isPassing(error: unknown): boolean {
  const isWrapped = error instanceof Error && error.cause !== undefined;
  const cause = isWrapped ? error.cause : error;
  return refusalOf(cause)?.status === 410 || isTransient(cause);
}
