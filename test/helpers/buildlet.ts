// A real buildlet in this process, on a unix socket or a port of its own.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';
import { type Agent, type AgentOptions, startAgent } from '../../src/buildlet/agent.ts';
import { BuildletClient, type BuildletClientOptions } from '../../src/client/buildlet-client.ts';
import { removeTreeSync } from '../../src/files/remove-tree.ts';

export interface TestBuildlet extends Agent {
  readonly log: string[];
}

/** Starts a buildlet that ends with the test. */
export async function startBuildlet(options: Partial<AgentOptions> = {}): Promise<TestBuildlet> {
  const { end, ...buildlet } = await start(options);
  onTestFinished(end);
  return buildlet;
}

/**
 * A buildlet for all tests of a suite, in which this is called; it starts with the first test that asks for it. For tests that
 * keep to directories of their own.
 */
export function sharedBuildlet(options: Partial<AgentOptions> = {}): () => Promise<TestBuildlet> {
  let started: ReturnType<typeof start> | undefined;
  afterAll(async () => (await started)?.end());
  return () => {
    started ??= start(options);
    return started;
  };
}

async function start(
  options: Partial<AgentOptions>,
): Promise<TestBuildlet & { end: () => Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'gomote-test-'));
  const log: string[] = [];
  const agent = await startAgent({
    address: { kind: 'unix', path: join(directory, 'socket') },
    environment: { PATH: process.env.PATH, HOME: directory },
    log: (line) => log.push(line),
    ...options,
  });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= agent.close();
    return closed;
  };
  const end = async () => {
    await close();
    removeTreeSync(directory);
  };
  return { ...agent, close, log, end };
}

/** A client of the buildlet that is disconnected with the test. */
export function clientOf(
  buildlet: Agent,
  password = '',
  options: BuildletClientOptions = {},
): BuildletClient {
  const client = new BuildletClient(buildlet.address, { password }, options);
  onTestFinished(() => client.disconnect());
  return client;
}
