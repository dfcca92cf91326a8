// The content store with machines that dial in, and of several coordinators behind one address.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { endpoints } from '../../src/protocol/endpoints.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { startCoordinator, type TestCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { times } from '../helpers/counts.ts';
import { startCutter } from '../helpers/cutter.ts';
import { random } from '../helpers/random.ts';
import { dialling, reversePool } from '../helpers/reverse.ts';
import { portTo, pushTo, seen, ways } from '../helpers/stored-push.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const breaks = times(6, 100);
const users = { alice: {}, bob: {} };

function plant(): string {
  const top = temporaryDirectory();
  mkdirSync(join(top, 'small'));
  for (let count = 0; count < 120; count++) {
    writeFileSync(join(top, 'small', `${count}`), randomBytes(5_000));
  }
  writeFileSync(join(top, 'large'), randomBytes((3 << 20) + 5));
  return top;
}

describe('a push to a machine that dials in', () => {
  async function farm() {
    const coordinator = await startCoordinator({ users, machines: 1, sections: reversePool });
    writeFileSync(join(coordinator.directory, 'keys'), 'the-key\n', { mode: 0o600 });
    const cutter = await startCutter(coordinator.url.replace('https://', ''));
    const trust = { fingerprint: coordinator.fingerprint.replace('sha256:', '') };
    const machines = await Promise.all(
      ['mac1', 'mac2'].map((machine) => dialling(`https://${cutter.address}`, { machine, trust })),
    );
    const create = async (user = 'alice') => await coordinator.client(user).createBuildlet('mac');
    const trees = () =>
      machines.flatMap(({ workDir }) => {
        const tree = join(workDir, 'tree');
        return seenOrNone(tree);
      });
    return { coordinator, cutter, create, trees };
  }

  const seenOrNone = (top: string): string[][] => {
    try {
      return [seen(top)];
    } catch {
      return [];
    }
  };

  it('gets what another machine was sent, also after the coordinator was restarted', async () => {
    const { coordinator, create, trees } = await farm();
    const top = plant();
    const first = await pushTo(await create(), top);
    expect(first).toMatchObject({ storedBytes: 0 });
    const second = await pushTo(await create(), top);
    expect(second).toMatchObject({ storedBytes: first.bytes, bytes: first.bytes });
    expect(trees()).toEqual([seen(top), seen(top)]);
    await coordinator.restart();
    writeFileSync(join(top, 'new'), randomBytes(500_000));
    const client = coordinator.client('alice').namedBuildlet('user-alice-mac-1');
    // The machines dial again.
    await expect.poll(async () => await client.workDir().catch(() => '')).not.toBe('');
    expect(await pushTo(client, top)).toMatchObject({ storedBytes: 0, files: 1 });
    await client.halt();
    expect((await pushTo(await create(), top)).storedBytes).toBe(first.bytes + 500_000);
    expect(trees()).toContainEqual(seen(top));
  });

  it('gets nothing of another user who had the same machine', async () => {
    const { create, trees } = await farm();
    const top = plant();
    for (const user of ['alice', 'bob']) {
      const client = await create(user);
      expect((await pushTo(client, top)).storedBytes).toBe(0);
      await client.halt();
    }
    expect((await pushTo(await create('bob'), top)).storedBytes).toBeGreaterThan(0);
    expect(trees()).toContainEqual(seen(top));
  });

  it('leaves the local tree if its connection breaks at any moment', async () => {
    const { cutter, create, trees } = await farm();
    const top = plant();
    await pushTo(await create(), top);
    const client = await create();
    for (let round = 0; round < breaks; round++) {
      const pushing = pushTo(client, top).catch(() => undefined);
      await sleep(random(80));
      cutter.drop();
      await pushing;
    }
    await pushAgain(client, top);
    expect(trees()).toEqual([seen(top), seen(top)]);
  });
});

/** The machine may just be dialling again. */
async function pushAgain(...args: Parameters<typeof pushTo>): Promise<void> {
  await expect.poll(async () => await pushTo(...args).then(() => 'pushed', String)).toBe('pushed');
}

/** One address of several coordinators, which passes each request to the chosen one. */
async function balancer(
  parts: readonly TestCoordinator[],
  choose: (request: IncomingMessage) => number,
) {
  const state = join(parts[0]?.directory ?? '', 'state');
  const agent = new Agent({ rejectUnauthorized: false });
  const server = createServer(
    {
      key: readFileSync(join(state, 'tls-key.pem')),
      cert: readFileSync(join(state, 'tls-cert.pem')),
    },
    (request, response) => {
      const { method, headers, url } = request;
      const part = parts[choose(request) % parts.length];
      const onward = httpsRequest(`${part?.url}${url}`, { method, headers, agent }, (reply) => {
        response.writeHead(reply.statusCode ?? 500, reply.headers);
        reply.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new CoordinatorClient({
    auth: { username: 'user-alice', password: tokenOf('alice') },
    instance: {
      kind: 'tcp',
      origin: `https://127.0.0.1:${port}`,
      fingerprint: parts[0]?.fingerprint.replace('sha256:', ''),
    },
  });
  onTestFinished(async () => {
    await client.disconnect();
    server.closeAllConnections();
    server.close();
    agent.destroy();
  });
  return client;
}

describe.each(ways)('a push through several coordinators, to a machine that %s contents', (way) => {
  /** Two coordinators with one machine; the first one has the tree in its store. */
  async function start(top: string) {
    const [machine, first] = [await startBuildlet(), await startBuildlet()];
    const { address } = await portTo(machine, way);
    const one = await startCoordinator({ users, addresses: [address, String(first.address)] });
    const other = await startCoordinator({ users, addresses: [address] });
    const parts = [one, other];
    const clients = await Promise.all(
      parts.map(async (part) => await part.client('alice').createBuildlet('linux')),
    );
    const primer = await one.client('alice').createBuildlet('linux');
    await pushTo(primer, top);
    expect(clients.map(({ remoteName }) => remoteName)).toEqual(
      Array(2).fill('user-alice-linux-0'),
    );
    const tree = join(machine.workDir, 'tree');
    return { parts, tree, clear: () => rmSync(tree, { recursive: true, force: true }) };
  }

  const { treeState, treeStored, treeApply } = endpoints;
  const paths = [treeState.path, treeStored.path, treeApply.path];

  it('leaves the local tree, whichever coordinator is asked and whichever passes it on', async () => {
    const top = plant();
    const { parts, tree, clear } = await start(top);
    let chosen: readonly number[] = [];
    const through = await balancer(parts, ({ url = '' }) => {
      const path = url.replace(/\?.*/, '');
      return chosen[paths.findIndex((one) => path.endsWith(one))] ?? 0;
    });
    for (const state of [0, 1]) {
      for (const stored of [0, 1]) {
        for (const apply of [1, 0]) {
          chosen = [state, stored, apply];
          const client = through.namedBuildlet('user-alice-linux-0');
          await pushTo(client, top);
          expect(seen(tree), String(chosen)).toEqual(seen(top));
          await client.disconnect();
          clear();
        }
      }
    }
  });

  it('leaves the local tree if they take turns', async () => {
    const top = plant();
    const { parts, tree, clear } = await start(top);
    let turn = 0;
    const through = await balancer(parts, () => turn++);
    for (let round = 0; round < 4; round++) {
      const client = through.namedBuildlet('user-alice-linux-0');
      writeFileSync(join(top, `new${round}`), randomBytes(300_000));
      await pushTo(client, top);
      expect(seen(tree), `round ${round}`).toEqual(seen(top));
      if (round % 2 === 1) clear();
      turn += round % 2;
    }
  });
});
