// The calls of the Compute API that buildlets need: rate-limited, retried, with a deadline and plain errors.
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { GomoteError } from '../../errors.ts';
import type { Gate } from '../../rate-limit.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { RequestLog } from '../backend.ts';
import { callError, maxAttempts, operationError, retryAfterMs } from './errors.ts';
import { gceGate } from './gate.ts';
import { compute_v1, GoogleAuth } from './google.ts';
import type { GceAuth } from './options.ts';

export type VmInstance = compute_v1.Schema$Instance;
export type VmImage = compute_v1.Schema$Image;
export type VmOperation = compute_v1.Schema$Operation;

interface ComputeOptions {
  /** Default: the application's default credentials, as Google's libraries find them. */
  readonly auth?: GceAuth | undefined;
  readonly project: string;
  /** Where the API is. Default: Google's own. */
  readonly endpoint?: string | undefined;
  /** Awaited before every call, after `gceGate.hook`. */
  readonly gate?: Gate | undefined;
  readonly onRequest?: RequestLog;
}

interface ComputeCall {
  readonly signal?: AbortSignal | undefined;
  /** Waits for the answer of a started attempt even after an abort: its effect must be known. */
  readonly mustAnswer?: boolean | undefined;
  /** The time limit of one attempt, in ms. */
  readonly tryMs?: number | undefined;
}

const scopes = ['https://www.googleapis.com/auth/compute'];

const defaultTryMs = 30_000;

/** The API's wait call answers after two minutes at the latest. */
const waitTryMs = 150_000;

const earlyPauseMs = 250;

/** The time limit of a change of metadata, in ms. */
const writeTimeoutMs = 60_000;

const firstPauseMs = 500;

/** The maximum number of things in one page of a list. */
export const pageSize = 500;

export class ComputeApi {
  readonly project: string;
  readonly #api: compute_v1.Compute;
  readonly #options: ComputeOptions;

  constructor(options: ComputeOptions) {
    this.#options = options;
    this.project = options.project;
    const { endpoint, auth = defaultAuth(options.project) } = options;
    this.#api = new compute_v1.Compute({
      auth: auth as NonNullable<compute_v1.Options['auth']>,
      retry: false,
      ...(endpoint !== undefined && { rootUrl: endpoint }),
    });
  }

  /** Asks for a machine. The same `requestId` never makes a second one. */
  async insert(
    zone: string,
    requestBody: VmInstance,
    requestId: string,
    call: ComputeCall,
  ): Promise<VmOperation> {
    const params = { project: this.project, zone, requestId, requestBody };
    return await this.#call(`cannot create ${requestBody.name} in ${zone}`, call, (options) =>
      this.#api.instances.insert(params, options),
    );
  }

  async get(zone: string, instance: string, call: ComputeCall): Promise<VmInstance> {
    const params = { project: this.project, zone, instance };
    return await this.#call(`cannot look at ${instance} in ${zone}`, call, (options) =>
      this.#api.instances.get(params, options),
    );
  }

  /** Resolves once the deletion is requested. */
  async delete(zone: string, instance: string, call: ComputeCall): Promise<VmOperation> {
    const params = { project: this.project, zone, instance };
    return await this.#call(`cannot delete ${instance} in ${zone}`, call, (options) =>
      this.#api.instances.delete(params, options),
    );
  }

  /** Sets labels of the machine as it was read. Fails when somebody else has written meanwhile. */
  async setLabels(
    zone: string,
    instance: VmInstance,
    labels: Readonly<Record<string, string>>,
    call: ComputeCall,
  ): Promise<void> {
    const { name = '', labelFingerprint } = instance;
    const requestBody = {
      labels: { ...instance.labels, ...labels },
      ...(labelFingerprint && { labelFingerprint }),
    };
    const params = { project: this.project, zone, instance: name ?? '', requestBody };
    await this.#call(`cannot label ${name} in ${zone}`, call, (options) =>
      this.#api.instances.setLabels(params, options),
    );
  }

  /** Sets a metadata item of the machine as it was read. Fails as `setLabels` does. */
  async setMetadata(
    zone: string,
    instance: VmInstance,
    item: { readonly key: string; readonly value: string },
    call: ComputeCall,
  ): Promise<void> {
    const { name = '', metadata } = instance;
    const others = metadata?.items?.filter(({ key }) => key !== item.key) ?? [];
    const requestBody = {
      items: [...others, item],
      ...(metadata?.fingerprint && { fingerprint: metadata.fingerprint }),
    };
    const params = { project: this.project, zone, instance: name ?? '', requestBody };
    const what = `cannot write metadata of ${name} in ${zone}`;
    const operation = await this.#call(what, call, (options) =>
      this.#api.instances.setMetadata(params, options),
    );
    await this.waitFor(what, zone, operation, { ...call, timeoutMs: writeTimeoutMs });
  }

  /** Asks for an image of a disk, which a machine may be using. The same `requestId` never makes a second one. */
  async insertImage(
    what: string,
    requestBody: VmImage,
    requestId: string,
    call: ComputeCall,
  ): Promise<VmOperation> {
    const params = { project: this.project, forceCreate: true, requestId, requestBody };
    return await this.#call(what, call, (options) => this.#api.images.insert(params, options));
  }

  async getImage(image: string, call: ComputeCall): Promise<VmImage> {
    const params = { project: this.project, image };
    return await this.#call(`cannot look at ${image}`, call, (options) =>
      this.#api.images.get(params, options),
    );
  }

  async deleteImage(image: string, call: ComputeCall): Promise<VmOperation> {
    const params = { project: this.project, image };
    return await this.#call(`cannot delete ${image}`, call, (options) =>
      this.#api.images.delete(params, options),
    );
  }

  /** The end of the machine's output on its first serial port. */
  async serialOutput(zone: string, instance: string, call: ComputeCall): Promise<string> {
    const params = { project: this.project, zone, instance };
    const output = await this.#call(`cannot read the log of ${instance}`, call, (options) =>
      this.#api.instances.getSerialPortOutput(params, options),
    );
    return output.contents ?? '';
  }

  /**
   * All machines that match the filter (empty: all), page by page; of every zone when none is given. In an outage of
   * one region, those of the others are returned, unless the list must be complete.
   */
  async list(
    filter: string,
    call: ComputeCall & { readonly isWhole?: boolean | undefined },
    zone?: string,
  ): Promise<VmInstance[]> {
    const found: VmInstance[] = [];
    let pageToken: string | undefined;
    do {
      const params = {
        project: this.project,
        ...(filter !== '' && { filter }),
        maxResults: pageSize,
        returnPartialSuccess: call.isWhole !== true,
        ...(pageToken !== undefined && { pageToken }),
      };
      const page = await this.#call<Page>('cannot list machines', call, (options) =>
        zone === undefined
          ? this.#api.instances.aggregatedList(params, options)
          : this.#api.instances.list({ ...params, zone }, options),
      );
      found.push(...instancesOf(page));
      pageToken = page.nextPageToken || undefined;
    } while (pageToken !== undefined);
    return found;
  }

  /** Waits until the operation is done, in its zone if it has one. Throws its error, or ERR_TIMEOUT. */
  async waitFor(
    what: string,
    zone: string | undefined,
    operation: VmOperation,
    call: ComputeCall & { readonly timeoutMs: number },
  ): Promise<void> {
    const { timeoutMs, signal } = call;
    const late = timeoutSignal(timeoutMs);
    const either = signal === undefined ? late : anySignal(signal, late);
    let current = operation;
    try {
      while (current.status !== 'DONE') {
        const params = { project: this.project, operation: operation.name ?? '' };
        const startedMs = Date.now();
        current = await this.#call(what, { signal: either, tryMs: waitTryMs }, (options) =>
          zone === undefined
            ? this.#api.globalOperations.wait(params, options)
            : this.#api.zoneOperations.wait({ ...params, zone }, options),
        );
        // The wait call may return early: do not repeat it at once.
        const early = current.status !== 'DONE' && Date.now() - startedMs < earlyPauseMs;
        if (early) await sleep(earlyPauseMs, undefined, { signal: either });
      }
    } catch (error) {
      if (signal?.aborted || !late.aborted) throw error;
      const message = `${what}: not done after ${timeoutMs / 1_000} s`;
      throw new GomoteError('ERR_TIMEOUT', message, { cause: error });
    }
    const failure = operationError(what, current);
    if (failure !== undefined) throw failure;
  }

  /** Makes a call of another part of the API. `what` begins with `cannot`. */
  async ask<T>(
    what: string,
    call: ComputeCall,
    ask: (api: compute_v1.Compute, options: { signal: AbortSignal }) => Promise<{ data: T }>,
  ): Promise<T> {
    return await this.#call(what, call, (options) => ask(this.#api, options));
  }

  async #call<T>(
    what: string,
    call: ComputeCall,
    ask: (options: { signal: AbortSignal }) => Promise<{ data: T }>,
  ): Promise<T> {
    const { signal, mustAnswer = false, tryMs = defaultTryMs } = call;
    for (let attempt = 1; ; attempt++) {
      await gceGate.hook?.(signal);
      await this.#options.gate?.(signal);
      signal?.throwIfAborted();
      const late = timeoutSignal(tryMs);
      const either = signal === undefined || mustAnswer ? late : anySignal(signal, late);
      try {
        const { data } = await ask({ signal: either });
        this.#options.onRequest?.(`compute: ${what.replace(/^cannot /, '')}`);
        return data;
      } catch (error) {
        if (!mustAnswer) signal?.throwIfAborted();
        const failure = callError(what, late.aborted ? late.reason : error);
        if (attempt >= maxAttempts(failure)) throw failure;
        const pauseMs = retryAfterMs(error) ?? randomInt(firstPauseMs * 2 ** attempt);
        await sleep(pauseMs, undefined, signal && { signal });
      }
    }
  }
}

/** With the project, Google's library need not run gcloud to find one. */
const defaultAuth = (projectId: string): GceAuth => new GoogleAuth({ scopes, projectId });

type Page = compute_v1.Schema$InstanceList | compute_v1.Schema$InstanceAggregatedList;

const instancesOf = ({ items }: Page): VmInstance[] =>
  Array.isArray(items)
    ? items
    : Object.values(items ?? {}).flatMap(({ instances = [] }) => instances);
