import { expect, it } from 'vitest';
import { builderTypeOfName } from '../src/builders.ts';

const builder = (name: string) => ({ name, hostType: 'host', env: [] });
const builders = ['linux', 'linux-arm64', 'arm64', 'Linux_64', 'go1.22'].map(builder);

it.each([
  ['me-linux-0', 'linux'],
  ['me-linux-arm64-17', 'linux-arm64'],
  ['user-me-linux-3', 'linux'],
  ['me-linux-bk7xz', 'linux'],
  ['me-linux-arm64-wwwww', 'linux-arm64'],
  ['some-one-linux-64-c2d4f', 'Linux_64'],
  ['me-Linux_64-c2d4f', 'Linux_64'],
  ['me-go1-22-c2d4f', 'go1.22'],
  ['linux@host:1', 'linux'],
  ['me-nosuch-0', undefined],
  ['me-nosuch-bcdfg', undefined],
])('the builder type of the buildlet %s is %s', (name, type) => {
  expect(builderTypeOfName({ builders, hosts: [] }, name)?.name).toBe(type);
});
