// Requests buildlets from a coordinator, with retries that never create two, and reports what it waits for.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuilderType } from '../builders.ts';
import { GomoteError, isGomoteError, StatusError } from '../errors.ts';
import { type HttpResponse, readText, transportError } from '../http/client/request.ts';
import {
  parseCreateLine,
  parseRemoteBuildlet,
  type RemoteBuildlet,
} from '../protocol/coordinator-replies.ts';
import { contentTypes, coordinatorPaths, gomoteVersion } from '../protocol/endpoints.ts';
import type { FormValues } from '../protocol/form.ts';
import { type Labels, type WantedLabels, wantedLabelText } from '../protocol/labels.ts';
import type { Priority } from '../protocol/priority.ts';
import { ownSignal, timeoutSignal } from '../timeout-signal.ts';
import type { Connection } from './connection.ts';
import { readResult } from './result-lines.ts';
import { checkedDurationMs } from './time-limit.ts';

/** The options of `createBuildlet`. */
export interface CreateOptions {
  /** Cancels the call and the creation. */
  signal?: AbortSignal | undefined;
  /** Called, in a few words what is being waited for, by a coordinator that tells. What it throws ends call and creation. */
  onProgress?: ((step: string) => void) | undefined;
  /** Labels for it, by which lists find it; for a coordinator that has the feature `create-labels`. */
  labels?: Labels | undefined;
  /** Labels that its machine must have, each with a value or with any; for one with the feature `create-machine-labels`. */
  machineLabels?: WantedLabels | undefined;
  /** A snapshot of the kind `image` at that coordinator, whose image the machine begins with; for one with the feature `snapshot-images`. */
  snapshot?: string | undefined;
  /** How much it is in a hurry; for one with the feature `create-priority`. Default: `normal`, or less if that is not allowed. */
  priority?: Priority | undefined;
  /** How long to retry while a coordinator is being restarted, in ms. Default 60,000. 0: not at all. */
  retryMs?: number | undefined;
}

/** Buildlets that were created together, and their builder type if the coordinator sends it. */
export interface CreatedAll {
  /** The coordinator's records of them. */
  readonly buildlets: readonly RemoteBuildlet[];
  /** What they are. */
  readonly builder: BuilderType | undefined;
}

/** A buildlet, and its builder type if the coordinator sends it. */
export interface Created {
  /** The coordinator's record of it. */
  readonly buildlet: RemoteBuildlet;
  /** Its builder type; undefined if the coordinator does not send it. */
  readonly builder: BuilderType | undefined;
}

const defaultRetryMs = 60_000;
const firstDelayMs = 100;
const longestDelayMs = 2_000;

/** The time limit for cancelling a creation, in ms. */
const cancelTimeoutMs = 2_000;

export async function createBuildlet(
  connection: Connection,
  builderType: string,
  options: CreateOptions,
): Promise<Created> {
  const { buildlets, builder } = await createBuildlets(connection, builderType, 1, options);
  const [buildlet] = buildlets;
  if (buildlet !== undefined) return { buildlet, builder };
  throw new GomoteError('ERR_REPLY', 'the coordinator gave no buildlet');
}

/** All or none; several at once only from a coordinator that has the feature `create-count`. */
export async function createBuildlets(
  connection: Connection,
  builderType: string,
  count: number,
  options: CreateOptions,
): Promise<CreatedAll> {
  const attempt = new Attempt(connection, builderType, count, options);
  const { signal } = options;
  const retryMs = checkedDurationMs('retryMs', options.retryMs) ?? defaultRetryMs;
  const deadlineAtMs = Date.now() + retryMs;
  try {
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
      try {
        return await attempt.ask();
      } catch (error) {
        if (attempt.isLeft || !attempt.mayAskAgain(error) || Date.now() + delayMs > deadlineAtMs)
          throw error;
        attempt.tell('the coordinator is restarting');
      }
      await sleep(delayMs, undefined, { signal: signal && ownSignal(signal) });
    }
  } catch (error) {
    if (signal?.aborted === true || attempt.isLeft) await attempt.cancel();
    throw signal?.aborted === true ? transportError(error, signal, 'ERR_CONNECT') : error;
  }
}

class Attempt {
  readonly #connection: Connection;
  readonly #options: CreateOptions;
  readonly #form: FormValues;
  readonly #count: number;
  /** Whether the coordinator creates a buildlet only once for each key. */
  #knowsKeys = false;
  /** Whether the caller's progress listener has thrown. */
  isLeft = false;

  constructor(connection: Connection, builderType: string, count: number, options: CreateOptions) {
    this.#connection = connection;
    this.#count = count;
    this.#options = options;
    const key = randomBytes(16).toString('hex');
    // A coordinator without these extensions ignores the last two; the caller has asked whether it has the others.
    this.#form = {
      ...(count > 1 && { count: String(count) }),
      ...(options.labels && { labels: JSON.stringify(options.labels) }),
      machineLabel: options.machineLabels?.map(wantedLabelText),
      priority: options.priority,
      snapshot: options.snapshot,
      ...{ version: gomoteVersion, builderType, key, progress: '1' },
    };
  }

  async ask(): Promise<CreatedAll> {
    const signal = this.#connection.signalWith(this.#options.signal);
    const response = await this.#post(this.#form, signal);
    if (response.headers['content-type'] !== contentTypes.jsonLines) {
      const buildlet = parseRemoteBuildlet(await readText(response, signal));
      return this.#checked(buildlet === undefined ? [] : [buildlet], undefined);
    }
    this.#knowsKeys = true;
    const reply = { response, signal };
    const { create } = coordinatorPaths;
    const tell = (step: string) => this.tell(step);
    const result = await readResult(this.#connection, create, reply, parseCreateLine, tell);
    if (result !== undefined) return this.#checked(result.buildlets, result.builder);
    throw new GomoteError(
      'ERR_LOST',
      'the coordinator ended its reply before there was a buildlet',
    );
  }

  tell(step: string): void {
    try {
      this.#options.onProgress?.(step);
    } catch (error) {
      this.isLeft = true;
      throw error;
    }
  }

  async #post(form: FormValues, signal: AbortSignal): Promise<HttpResponse> {
    const path = coordinatorPaths.create;
    return await this.#connection.call({ method: 'POST', path, form, signal });
  }

  #checked(buildlets: readonly RemoteBuildlet[], builder: BuilderType | undefined): CreatedAll {
    const names = new Set(buildlets.map(({ name }) => name));
    if (buildlets.length === this.#count && names.size === this.#count) {
      return { buildlets, builder };
    }
    return this.#connection.badReply(`bad reply of ${coordinatorPaths.create}`);
  }

  /** Whether a retry may help and cannot create a second buildlet. */
  mayAskAgain(error: unknown): boolean {
    if (error instanceof StatusError) return error.status === 503;
    return (
      this.#knowsKeys && (isGomoteError(error, 'ERR_CONNECT') || isGomoteError(error, 'ERR_LOST'))
    );
  }

  /** Cancels the creation. Otherwise the coordinator would wait for a while, in case only the connection broke. */
  async cancel(): Promise<void> {
    if (!this.#knowsKeys) return;
    const signal = this.#connection.signalWith(timeoutSignal(cancelTimeoutMs));
    await this.#post({ ...this.#form, cancel: '1' }, signal)
      .then((response) => readText(response, signal))
      .catch(() => undefined);
  }
}
