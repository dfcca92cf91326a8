import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Connections, type PodConnection } from '../../../src/backends/kubernetes/connections.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const connection: PodConnection = {
  name: 'me-linux-0',
  uid: 'uid',
  ip: '10.0.0.9',
  port: 5936,
  password: 'secret',
  certPem: 'cert',
  renewedAtMs: 5,
};

function scope() {
  const HOME = temporaryDirectory();
  const kubeconfig = join(HOME, 'kubeconfig');
  writeFileSync(kubeconfig, '');
  return { kubeconfig, environment: { HOME } };
}

it('stored connections are read as they were written, until they are forgotten', () => {
  const connections = new Connections(scope());
  expect(connections.read('me-linux-0')).toBeUndefined();
  connections.write(connection);
  expect(connections.read('me-linux-0')).toEqual(connection);
  expect(connections.read('me-linux-1')).toBeUndefined();
  connections.forget('me-linux-0');
  expect(connections.read('me-linux-0')).toBeUndefined();
});

it('stored connections belong to one cluster, namespace and user; another current context is another cluster', () => {
  const first = scope();
  new Connections(first).write(connection);
  const others = [
    { ...first, context: 'x' },
    { ...first, namespace: 'x' },
    { ...first, user: 'x' },
  ];
  for (const other of others) expect(new Connections(other).read('me-linux-0')).toBeUndefined();
  expect(new Connections(first).read('me-linux-0')).toBeDefined();
  utimesSync(first.kubeconfig, 1, 1);
  expect(new Connections(first).read('me-linux-0')).toBeUndefined();
});

it('stored connections that are damaged, or cannot be kept, are ignored', () => {
  const first = scope();
  const connections = new Connections(first);
  const { ip: _, ...half } = connection;
  connections.write(half as PodConnection);
  expect(connections.read('me-linux-0')).toBeUndefined();
  const cache = temporaryDirectory();
  mkdirSync(join(cache, 'gomote'));
  writeFileSync(join(cache, 'gomote', 'kubernetes'), 'a file where a directory should be');
  const environment = { ...first.environment, XDG_CACHE_HOME: cache };
  const unkept = new Connections({ ...first, environment });
  unkept.write(connection);
  expect(unkept.read('me-linux-0')).toBeUndefined();
  unkept.forget('me-linux-0');
});

it('stored connections to pods that nobody has used for a week are removed when others are written', () => {
  const { environment, ...rest } = scope();
  const cache = join(environment.HOME, '.cache', 'gomote', 'kubernetes');
  const connections = new Connections({ environment, ...rest });
  for (let n = 0; n < 30; n++) {
    connections.write({ ...connection, name: `me-linux-${n}` });
    const dayMs = 24 * 3_600_000;
    const used = new Date(Date.now() - (n % 2 ? 8 : 6) * dayMs);
    for (const name of readdirSync(cache)) {
      if (name.endsWith(`-me-linux-${n}.json`)) utimesSync(join(cache, name), used, used);
    }
  }
  connections.write(connection);
  const kept = readdirSync(cache).map((name) => Number(/(\d+)\.json$/.exec(name)?.[1]));
  expect(kept.sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, n) => 2 * n));
});
