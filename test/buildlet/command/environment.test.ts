// Variables of any name reach a command, from wherever they come.
import { expect, it } from 'vitest';
import { merged } from '../../../src/backends/kubernetes/merge.ts';
import {
  baseEnvironment,
  cleanEnvironment,
  commandEnvironment,
  inheritedEnvironment,
} from '../../../src/buildlet/command/environment.ts';
import { clientOf, startBuildlet } from '../../helpers/buildlet.ts';
import { Collector } from '../../helpers/collect.ts';

const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '__defineGetter__'];

/** As a process has them. */
const own = Object.fromEntries(names.map((name) => [name, `of ${name}`]));

it.each(names)('a variable called %s is set like any other', async (name) => {
  const buildlet = await startBuildlet();
  const client = clientOf(buildlet);
  const output = new Collector();
  const env = [`${name}=one`, `${name}=two words`];
  const ran = await client.exec('/usr/bin/env', { systemLevel: true, output, extraEnv: env });
  expect(ran.ok).toBe(true);
  expect(output.text.split('\n')).toContain(`${name}=two words`);
  // Bytes that are not UTF-8 go another way.
  const more = new Collector();
  const odd = { systemLevel: true, output: more, extraEnv: [`${name}=here`, 'B=\udcff'] };
  await client.exec('/usr/bin/env', odd);
  expect(more.text.split('\n')).toContain(`${name}=here`);
});

it('a buildlet passes on variables of every name', () => {
  const base = baseEnvironment(inheritedEnvironment(own), '/work', '/tmp/own');
  const all = commandEnvironment(base, { env: [], path: undefined }, '/work');
  for (const name of names) expect(Object.entries(all)).toContainEqual([name, `of ${name}`]);
});

it('a variable that was not set is absent', () => {
  const environment = cleanEnvironment({});
  for (const name of names) expect(environment[name]).toBeUndefined();
});

it('a key of every name is merged into a pod', () => {
  const over = JSON.parse('{"labels":{"__proto__":"x","constructor":"y"},"__proto__":{"a":1}}');
  const laid = merged(JSON.parse('{"labels":{"app":"z"}}'), over);
  expect(JSON.stringify(laid)).toBe(
    '{"labels":{"app":"z","__proto__":"x","constructor":"y"},"__proto__":{"a":1}}',
  );
});
