// A real coordinator in this process, in front of real buildlets that are in it too.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { AgentOptions } from '../../src/buildlet/agent.ts';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { type KeyPair, newKeyPair } from '../../src/client/key-pair.ts';
import { type CoordinatorConfig, loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { type Serving, serve } from '../../src/coordinator/serve.ts';
import { errnoOf } from '../../src/errors.ts';
import { startBuildlet, type TestBuildlet } from './buildlet.ts';
import { temporaryDirectory } from './temporary.ts';

export interface LogLine {
  event: string;
  [field: string]: unknown;
}

export interface TestCoordinator extends Omit<Serving, 'fingerprint'> {
  readonly fingerprint: string;
  /** Has the configuration and the state. */
  readonly directory: string;
  /** The machines of its static pool. */
  readonly buildlets: readonly TestBuildlet[];
  readonly log: LogLine[];
  /** A client of it, by the token `token-NAME`. */
  client(user: string): CoordinatorClient;
  /** Ends it as a crash would end all but its machines, and starts another on the same state and port; `between` runs first. */
  restart(between?: () => void): Promise<void>;
}

export interface TestCoordinatorOptions {
  /** Whose tokens are `token-NAME`, unless given here. Default: one user, `me`. */
  users?: Record<
    string,
    {
      token?: string;
      role?: 'user' | 'admin' | 'metrics';
      maximum?: number;
      priority?: string;
      expires?: string;
    }
  >;
  /** How many buildlets there are to lend. Default 2. */
  machines?: number;
  /** Machines at these addresses in their place. */
  addresses?: readonly string[];
  buildlet?: Partial<AgentOptions>;
  hostType?: string;
  builderType?: string;
  /** Lines of configuration before the sections. */
  toml?: string;
  /** More lines of its pool. */
  pool?: string;
  /** More sections. */
  sections?: string;
  /** Called with the directory before the coordinator is started in it. */
  prepare?: (directory: string) => void;
  warm?: number;
}

let pairs: Promise<KeyPair> | undefined;

/** One for all tests of a file: making it takes longer than most of them. */
function keyPair(): Promise<KeyPair> {
  pairs ??= newKeyPair();
  return pairs;
}

export const tokenOf = (name: string): string => `token-${name}`;

/** Starts one with TLS that ends with the test; its one builder type is `linux`, unless told otherwise. */
export async function startCoordinator(
  options: TestCoordinatorOptions = {},
): Promise<TestCoordinator> {
  const { users = { me: {} }, hostType = 'host-linux', builderType = 'linux' } = options;
  const directory = temporaryDirectory();
  const buildlets = await Promise.all(
    Array.from({ length: options.addresses ? 0 : (options.machines ?? 2) }, () =>
      startBuildlet(options.buildlet),
    ),
  );
  const addresses = options.addresses ?? buildlets.map(({ address }) => address);
  const toml = [
    'listen = "127.0.0.1:0"',
    'state-directory = "state"',
    options.toml ?? '',
    `[hosts.${hostType}]`,
    `[builders.${builderType}]`,
    `host = "${hostType}"`,
    'env = ["FROM_TYPE=yes"]',
    '[pools.machines]',
    'kind = "static"',
    `host = "${hostType}"`,
    `warm = ${options.warm ?? 0}`,
    `machines = [${addresses.map((address) => `{ address = "${address}" }`).join(', ')}]`,
    options.pool ?? '',
    options.sections ?? '',
  ].join('\n');
  writeFileSync(join(directory, 'coordinator.toml'), toml);
  writeUsers(directory, users);
  const pair = await keyPair();
  writeFileSync(join(directory, 'state', 'tls-key.pem'), pair.keyPem, { mode: 0o600 });
  writeFileSync(join(directory, 'state', 'tls-cert.pem'), pair.certPem, { mode: 0o600 });
  options.prepare?.(directory);
  const log: LogLine[] = [];
  let config = loadCoordinatorConfig(join(directory, 'coordinator.toml'));
  const start = () => serveLogged(config, log);
  let serving = await start();
  // A connection that was made meanwhile may have taken its port for a moment.
  const startLater = async (error: unknown): Promise<Serving> => {
    if (errnoOf(error instanceof Error ? (error.cause ?? error) : error) !== 'EADDRINUSE')
      throw error;
    await sleep(20);
    return await start().catch(startLater);
  };
  onTestFinished(async () => await serving.drain(0));
  const { port } = new URL(serving.url);
  config = { ...config, listen: { kind: 'tcp', host: '127.0.0.1', port: Number(port) } };
  return {
    ...serving,
    fingerprint: serving.fingerprint ?? '',
    directory,
    buildlets,
    log,
    get coordinator() {
      return serving.coordinator;
    },
    client(user) {
      const client = new CoordinatorClient({
        auth: { username: `user-${user}`, password: users[user]?.token ?? tokenOf(user) },
        instance: {
          kind: 'tcp',
          origin: serving.url,
          fingerprint: serving.fingerprint?.replace('sha256:', ''),
        },
      });
      onTestFinished(() => client.disconnect());
      return client;
    },
    async restart(between) {
      await serving.drain(0);
      between?.();
      serving = await start().catch(startLater);
    },
  };
}

async function serveLogged(config: CoordinatorConfig, log: LogLine[]): Promise<Serving> {
  return await serve(config, {
    environment: { PATH: process.env.PATH },
    log: { write: (event, fields = {}) => log.push({ event, ...fields }) },
  });
}

/** The file of users as `coordinator user add` writes it, but with tokens that are known. */
export function writeUsers(
  directory: string,
  users: NonNullable<TestCoordinatorOptions['users']>,
): void {
  mkdirSync(join(directory, 'state'), { recursive: true, mode: 0o700 });
  const records = Object.entries(users).map(([name, { token, role = 'user', ...limits }]) => {
    const tokenHash = createHash('sha256')
      .update(token ?? tokenOf(name))
      .digest('hex');
    return [name, { role, tokenHash, created: '2026-11-24T00:00:00Z', ...limits }];
  });
  const text = JSON.stringify({ users: Object.fromEntries(records) });
  writeFileSync(join(directory, 'state', 'users.json'), text, { mode: 0o600 });
}

/** A plain request to the coordinator, with the token of a user or none. */
export async function ask(
  { url }: TestCoordinator,
  path: string,
  options: { user?: string; method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number; text: string }> {
  const { user, method = 'GET', body, headers = {} } = options;
  const pair = Buffer.from(`user-${user}:${tokenOf(user ?? '')}`).toString('base64');
  const outgoing = request(url + path, {
    method,
    rejectUnauthorized: false,
    headers: { ...headers, ...(user !== undefined && { Authorization: `Basic ${pair}` }) },
  });
  outgoing.end(body);
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve).once('error', reject);
  });
  return { status: reply.statusCode ?? 0, text: await text(reply) };
}
