// A coordinator is killed at any moment while it makes, removes, shares or evicts snapshots: what it lists afterwards is whole, and
// nothing else is left on its disk.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { CoordinatorSnapshots } from '../../src/client/coordinator-snapshots.ts';
import { Collector } from '../helpers/collect.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { times } from '../helpers/counts.ts';
import { random } from '../helpers/random.ts';

const kills = times(4, 100);

const perUserBytes = 10 << 20;

const toml = `
[pools.here]
kind = "local"
isolation = "none"
host = "host-local"
maximum = 4
[snapshots]
per-user = "${perUserBytes}"
`;

async function shell(client: BuildletClient, script: string): Promise<string> {
  const output = new Collector();
  const options = { args: ['-c', script], systemLevel: true, dir: '.', output };
  expect((await client.exec('sh', options)).state).toBe('ok');
  return output.text.trim();
}

const digest = 'sha256sum <file';

it(`${kills} kills leave complete snapshots, no others, and no more than the quota`, async () => {
  const coordinator = new CoordinatorProcess({ toml });
  await coordinator.start();
  const [source, target] = [
    (await coordinator.client().requestBuildlet('local')).name,
    (await coordinator.client().requestBuildlet('local')).name,
  ];
  const buildlet = (name: string) => coordinator.client().namedBuildlet(name);
  const server = async (): Promise<CoordinatorSnapshots> => {
    const found = await coordinator.client().snapshots();
    if (found === undefined) throw new Error('it keeps none');
    return found;
  };
  const contents = new Map<string, string>();
  const work = [
    async (snapshots: CoordinatorSnapshots, [first]: readonly string[]) => {
      if (first !== undefined) await snapshots.remove(first);
    },
    async (snapshots: CoordinatorSnapshots, [first]: readonly string[]) => {
      if (first !== undefined) await snapshots.share(first, true);
    },
  ];
  for (let kill = 0; kill < kills; kill++) {
    const tag = `s${kill}`;
    contents.set(
      tag,
      await shell(buildlet(source), `head -c 3000000 /dev/urandom >file; ${digest}`),
    );
    const snapshots = await server();
    const before = (await snapshots.list()).map((one) => one.tag);
    let isMade = false;
    const making = snapshots.create(source, tag).then(() => {
      isMade = true;
    });
    const others = work.map((one) => one(snapshots, before));
    const all = Promise.allSettled([making, ...others]);
    await sleep(random(250));
    await coordinator.kill();
    await all;
    await coordinator.start();

    const listed = await (await server()).list();
    const top = join(coordinator.directory, 'state/snapshots');
    const rooms = readdirSync(top).map((room) => join(top, room));
    const names = listed.map((one) => one.tag).sort();
    expect(rooms.flatMap((room) => readdirSync(room)).sort()).toEqual(names);
    if (isMade) expect(names).toContain(tag);
    const files = rooms.flatMap((room) =>
      readdirSync(room).flatMap((name) => {
        const directory = join(room, name);
        return readdirSync(directory).map((file) => join(directory, file));
      }),
    );
    const archives = files.filter((file) => file.endsWith('.tgz'));
    const bytes = archives.reduce((sum, file) => sum + statSync(file).size, 0);
    expect(files.filter((file) => file.endsWith('/snapshot.json'))).toHaveLength(names.length);
    expect(bytes).toBe(listed.reduce((sum, { storedBytes }) => sum + storedBytes, 0));
    expect(bytes).toBeLessThanOrEqual(perUserBytes);
    for (const one of names) {
      await (await server()).restore(target, one);
      expect(await shell(buildlet(target), digest), one).toBe(contents.get(one));
    }
  }
}, 600_000);
