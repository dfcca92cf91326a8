// The coordinator is killed at any moment of creates, commands and destroys; the next one takes up what it left.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import type { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { Collector } from '../helpers/collect.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { times } from '../helpers/counts.ts';
import { processesWith, until } from '../helpers/processes.ts';
import { random } from '../helpers/random.ts';

const kills = times(3, 100);
const users = ['ann', 'ben', 'cat'];
const poolSize = 4;

const toml = [
  '[pools.here]',
  'kind = "local"',
  'isolation = "none"',
  'host = "host-local"',
  `maximum = ${poolSize}`,
  'warm = 1',
].join('\n');

class Coordinator extends CoordinatorProcess {
  constructor() {
    super({ toml, users });
    onTestFinished(() => {
      for (const pid of this.machines) process.kill(pid, 'SIGKILL');
    });
  }

  /** The buildlets' processes. */
  get machines(): number[] {
    return processesWith(`${join(this.directory, 'state', 'pools')}/`);
  }
}

interface Held {
  readonly user: string;
  /** What its owner wrote into it. */
  readonly mark: string;
}

/** One user's creates, commands and destroys until the coordinator is gone; notes what is certain. */
async function work(coordinator: Coordinator, user: string, held: Map<string, Held>) {
  const client = coordinator.client(user);
  for (;;) {
    const { name } = await client.requestBuildlet('local', { retryMs: 0 });
    const buildlet = client.namedBuildlet(name);
    try {
      const mark = `${user} ${random(2 ** 32)}`;
      await buildlet.put(mark, 'mark', 0o644);
      held.set(name, { user, mark });
      await buildlet.exec('sleep', { args: ['0.05'], systemLevel: true });
      if (random(10) < 6) {
        // From here on it may be there or not.
        held.delete(name);
        await buildlet.halt();
      }
    } finally {
      await buildlet.disconnect();
    }
  }
}

async function read(client: CoordinatorClient, name: string): Promise<string> {
  const buildlet = client.namedBuildlet(name);
  try {
    const output = new Collector();
    await buildlet.exec('cat', { args: ['mark'], systemLevel: true, output });
    return output.text;
  } finally {
    await buildlet.disconnect();
  }
}

it(`a coordinator that is killed ${kills} times loses no session and leaves no orphan`, {
  timeout: 20_000 + kills * 10_000,
}, async () => {
  const coordinator = new Coordinator();
  await coordinator.start();
  for (let round = 0; round < kills; round++) {
    const held = new Map<string, Held>();
    const working = users.map((user) => work(coordinator, user, held));
    const broken = Promise.allSettled(working);
    await sleep(random(1_200));
    await coordinator.kill();
    await broken;
    for (const file of readdirSync(join(coordinator.directory, 'state/sessions'))) {
      if (file.endsWith('.json')) {
        JSON.parse(readFileSync(join(coordinator.directory, 'state/sessions', file), 'utf8'));
      }
    }
    await coordinator.start();
    // Every session that its user was sure of is there, is that user's, and is the same machine.
    let total = 0;
    for (const user of users) {
      const client = coordinator.client(user);
      const names = (await client.remoteBuildlets({ health: true })).map(({ name }) => name);
      total += names.length;
      expect(names.filter((name) => !name.startsWith(`user-${user}-`))).toEqual([]);
      for (const [name, { mark }] of [...held].filter(([, one]) => one.user === user)) {
        expect({ round, name, mark: await read(client, name) }).toEqual({ round, name, mark });
      }
    }
    // Each session has one process, one more is warm if there is room, and there is no other.
    const expected = Math.min(total + 1, poolSize);
    await until(() => coordinator.machines.length === expected);
    for (const user of users) {
      const client = coordinator.client(user);
      for (const { name } of await client.remoteBuildlets({ health: true })) {
        await client.namedBuildlet(name).halt();
      }
    }
  }
  await coordinator.kill();
});
