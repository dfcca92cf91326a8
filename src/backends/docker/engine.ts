// Requests to a Docker engine, or to Podman's service that speaks the same API.
import type { Duplex, Readable } from 'node:stream';
import * as v from 'valibot';
import { errnoOf, GomoteError, isGomoteError, messageOf, StatusError } from '../../errors.ts';
import { collected } from '../../files/collected.ts';
import { HttpClient, type HttpRequest, type HttpResponse } from '../../http/client/request.ts';
import { type Upgraded, upgrade } from '../../http/client/upgrade.ts';
import { SharedCall } from '../../shared-call.ts';
import type { RequestLog } from '../backend.ts';
import { openEngine } from './engine-socket.ts';
import type { EngineLocation } from './location.ts';

/** The newest version of the API that these requests are written for. */
const newestVersion = [1, 51] as const;

/** The size limit of a reply that is read as a whole, in bytes. */
const replyLimitBytes = 32 << 20;

const made = v.object({ Id: v.string() });

interface EngineCall {
  readonly signal?: AbortSignal | undefined;
}

interface EngineRequest extends EngineCall {
  readonly method: HttpRequest['method'];
  /** Below the version: `/containers/json`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as a tar archive. */
  readonly archive?: AsyncIterable<Uint8Array> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export class Engine {
  readonly location: EngineLocation;
  readonly #client: HttpClient;
  readonly #log: RequestLog;
  #version: string | undefined;
  readonly #asking = new SharedCall((signal) => this.#askVersion(signal));

  constructor(location: EngineLocation, log: RequestLog) {
    this.location = location;
    this.#log = log;
    const dial = () => openEngine(location);
    this.#client = new HttpClient({ kind: 'dial', label: location.url, dial });
  }

  /** `unix:///…`, for messages. */
  get url(): string {
    return this.location.url;
  }

  /** The reply's JSON; undefined when it is empty. Throws StatusError when the engine refuses. */
  async json(request: EngineRequest): Promise<unknown> {
    const text = await this.text(request);
    if (text === '') return undefined;
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new GomoteError('ERR_REPLY', `${this.#named}: a reply that is not JSON`, {
        hint: 'see that it is the address of an engine',
        cause: error,
      });
    }
  }

  /** The reply as text. */
  async text(request: EngineRequest): Promise<string> {
    return await readWhole((await this.#send(request)).body);
  }

  /** Makes something by a POST request, and returns its id. */
  async make(request: Omit<EngineRequest, 'method'>): Promise<string> {
    return v.parse(made, await this.json({ ...request, method: 'POST' })).Id;
  }

  /** The reply's body as a stream. */
  async stream(request: EngineRequest): Promise<Readable> {
    return (await this.#send(request)).body;
  }

  /** Whether the path exists, by HEAD. */
  async has(request: Omit<EngineRequest, 'method'>): Promise<boolean> {
    try {
      (await this.#send({ ...request, method: 'HEAD' })).body.resume();
      return true;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      if (error.status === 404) return false;
      // The reply to a HEAD cannot say why.
      (await this.#send({ ...request, method: 'GET' })).body.destroy();
      return true;
    }
  }

  /** A header of the reply to a HEAD. */
  async header(name: string, request: Omit<EngineRequest, 'method'>): Promise<string | undefined> {
    const { headers, body } = await this.#send({ ...request, method: 'HEAD' });
    body.resume();
    const value = headers[name.toLowerCase()];
    return typeof value === 'string' ? value : undefined;
  }

  /** A request after which the connection is a byte stream in both directions. The caller destroys the stream. */
  async hijack(
    request: Pick<EngineRequest, 'path' | 'query' | 'json' | 'signal'>,
  ): Promise<Upgraded> {
    const version = await this.#negotiated(request.signal);
    const path = `/v${version}${request.path}${queryText(request.query)}`;
    const signal = request.signal ?? new AbortController().signal;
    let socket: Duplex | undefined;
    try {
      socket = await openEngine(this.location, signal);
      const headers = { Host: 'docker', 'Content-Type': 'application/json' };
      const body = JSON.stringify(request.json ?? {});
      const upgraded = await upgrade(socket, {
        ...{ method: 'POST', path, headers, protocol: 'tcp', body, signal },
      });
      const status = 'refusal' in upgraded ? (upgraded.refusal.statusCode ?? 0) : 101;
      this.#log?.(`POST ${path} ${status}`);
      if (!('refusal' in upgraded)) return upgraded;
      throw this.#refusal(status, await readWhole(upgraded.refusal));
    } catch (error) {
      socket?.destroy();
      throw this.#unreachable(error, signal);
    }
  }

  async #send(request: EngineRequest): Promise<HttpResponse> {
    const version = await this.#negotiated(request.signal);
    return await this.#sendTo(`/v${version}`, request);
  }

  async #sendTo(prefix: string, request: EngineRequest): Promise<HttpResponse> {
    const { method, path, query, json, archive, headers, signal } = request;
    const target = `${prefix}${path}${queryText(query)}`;
    const type =
      archive !== undefined ? 'application/x-tar' : json !== undefined ? 'application/json' : '';
    let response: HttpResponse;
    try {
      response = await this.#client.send({
        method,
        path: target,
        headers: { ...headers, ...(type !== '' && { 'Content-Type': type }) },
        body: archive ?? (json === undefined ? undefined : JSON.stringify(json)),
        signal,
      });
    } catch (error) {
      throw this.#unreachable(error, signal);
    }
    this.#log?.(`${method} ${target} ${response.statusCode}`);
    if (response.statusCode < 400) return response;
    throw this.#refusal(response.statusCode, await readWhole(response.body));
  }

  /** The newest version that both support. */
  async #negotiated(signal: AbortSignal | undefined): Promise<string> {
    this.#version ??= await this.#asking.join(signal);
    return this.#version;
  }

  async #askVersion(signal: AbortSignal): Promise<string> {
    const response = await this.#sendTo('', { method: 'GET', path: '/_ping', signal });
    await readWhole(response.body);
    const version = String(response.headers['api-version'] ?? '');
    const [, major, minor] = /^([0-9]{1,3})\.([0-9]{1,4})$/.exec(version) ?? [];
    if (major === undefined || minor === undefined) {
      throw new GomoteError('ERR_CONNECT', `${this.#named}: what answers there is not an engine`, {
        hint: 'set DOCKER_HOST to the address of an engine',
      });
    }
    const [newestMajor, newestMinor] = newestVersion;
    const isNewer = Number(major) > newestMajor || Number(minor) > newestMinor;
    return isNewer ? newestVersion.join('.') : `${Number(major)}.${Number(minor)}`;
  }

  get #named(): string {
    return `Docker engine ${this.url}`;
  }

  #refusal(status: number, body: string): StatusError {
    const text = messageIn(body);
    const message = text === '' ? `status ${status}` : text;
    return new StatusError(status, message, `${this.#named}: ${message}`);
  }

  #unreachable(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted || isGomoteError(error)) return error;
    const errno = errnoOf(error);
    const message = `cannot reach the ${this.#named}: ${messageOf(error)}`;
    return new GomoteError('ERR_CONNECT', message, {
      hint: hintOf(errno, this.location),
      cause: error,
    });
  }
}

function hintOf(errno: string | undefined, { kind }: EngineLocation): string {
  if (errno === 'EACCES' || errno === 'EPERM') {
    return 'this user may not use the socket: ask for membership of the group docker, or set DOCKER_HOST to a rootless engine';
  }
  if (kind === 'ssh') return 'see that ssh reaches it, and that docker is installed there';
  if (errno !== undefined && /CERT|SIGNED|ISSUER|SIGNATURE|ALTNAME/.test(errno)) {
    return 'see that DOCKER_CERT_PATH has the certificates of this engine';
  }
  return 'start the engine, or set DOCKER_HOST or DOCKER_CONTEXT to one that runs';
}

function queryText(query: EngineRequest['query'] = {}): string {
  const given = Object.entries(query).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

/** The engine's message in an error reply. */
function messageIn(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) {
      return String(parsed.message).trim();
    }
  } catch {
    // Its first line is all there is.
  }
  return body.trim().split('\n', 1)[0] ?? '';
}

const readWhole = async (body: Readable): Promise<string> =>
  String(
    await collected(
      body,
      replyLimitBytes,
      () => new GomoteError('ERR_REPLY', 'a reply without an end'),
    ),
  );
