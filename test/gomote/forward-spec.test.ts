// What to forward, as people write it.
import { describe, expect, it } from 'vitest';
import { describeTarget } from '../../src/client/ports.ts';
import { parseForward, parseSocket } from '../../src/gomote/forward-spec.ts';

describe('a forward', () => {
  it.each([
    ['8080', '127.0.0.1:8080', 'localhost:8080'],
    ['8080:3000', '127.0.0.1:8080', 'localhost:3000'],
    ['0:3000', '127.0.0.1:0', 'localhost:3000'],
    ['db:5432', '127.0.0.1:5432', 'db:5432'],
    ['5432:db:5432', '127.0.0.1:5432', 'db:5432'],
    ['0.0.0.0:80:10.0.0.7:8080', '0.0.0.0:80', '10.0.0.7:8080'],
    ['[::1]:80:[fe80::1]:8080', '[::1]:80', '[fe80::1]:8080'],
    ['80:[::1]:8080', '127.0.0.1:80', '[::1]:8080'],
    ['8080:unix:/run/app.sock', '127.0.0.1:8080', 'unix:/run/app.sock'],
    ['unix:/tmp/x:3000', 'unix:/tmp/x', 'localhost:3000'],
    ['unix:/tmp/x:unix:/tmp/y', 'unix:/tmp/x', 'unix:/tmp/y'],
    ['unix:/tmp/x:db:5432', 'unix:/tmp/x', 'db:5432'],
  ])('of %j leads from %s to %s', (text, from, to) => {
    const spec = parseForward(text);
    expect([describeTarget(spec.from), describeTarget(spec.to)]).toEqual([from, to]);
  });

  it.each([
    ...['', ':', '0', '65536', '8080:', ':8080', '8080:0', 'a:b', 'unix:', 'unix:/x', '-1', '1.5'],
    ...['80:unix:', '1:2:3:4:5', 'a b:80', '80:a b:80', `80:unix:/${'x'.repeat(120)}`, '80:\0:80'],
  ])('of %j is wrong usage', (text) => {
    expect(() => parseForward(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  });

  it('accepts ports at the address that is given', () => {
    expect(describeTarget(parseForward('80', '::').from)).toBe('[::]:80');
  });
});

it.each([
  ['80', 'localhost:80'],
  ['db:80', 'db:80'],
  ['unix:/x', 'unix:/x'],
])('%j is a socket to connect to', (text, socket) => {
  expect(describeTarget(parseSocket(text))).toBe(socket);
});
