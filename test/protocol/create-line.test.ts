// The lines by which a coordinator tells how a create gets on.
import { describe, expect, it } from 'vitest';
import { parseCreateLine } from '../../src/protocol/coordinator-replies.ts';

const buildlet = {
  User: 'user-me',
  Name: 'user-me-linux-1',
  HostType: 'host',
  BuilderType: 'linux',
  Created: '2026-01-01T00:00:00Z',
  Expires: '2026-01-01T00:30:00Z',
};

describe('a line of a create', () => {
  it.each([
    ['progress', { Progress: 'waiting' }, { progress: 'waiting' }],
    [
      'a buildlet',
      { Buildlet: buildlet },
      { buildlets: [expect.objectContaining({ name: buildlet.Name })], builder: undefined },
    ],
    [
      'a buildlet with its builder',
      { Buildlet: buildlet, Builder: { Name: 'linux', HostType: 'host', Env: ['A=1'] } },
      {
        buildlets: [expect.objectContaining({ name: buildlet.Name })],
        builder: { name: 'linux', hostType: 'host', env: ['A=1'], path: undefined },
      },
    ],
    [
      'several buildlets',
      { Buildlets: [buildlet, buildlet] },
      {
        buildlets: Array(2).fill(expect.objectContaining({ name: buildlet.Name })),
        builder: undefined,
      },
    ],
    [
      'an error',
      { Error: 'no', Status: 404, Code: 'ERR_UNKNOWN_TYPE' },
      { error: 'no', status: 404, code: 'ERR_UNKNOWN_TYPE' },
    ],
    ['an error without a code', { Error: 'no', Status: 500 }, { error: 'no', status: 500 }],
    [
      'an error with a code that there is not',
      { Error: 'no', Status: 500, Code: 'ERR_X' },
      { error: 'no', status: 500, code: undefined },
    ],
  ])('reports %s', (_what, line, expected) => {
    expect(parseCreateLine(JSON.stringify(line))).toEqual(expected);
  });

  it.each([
    '',
    'x',
    '[]',
    '{}',
    '{"Progress":1}',
    '{"Buildlet":{}}',
    '{"Error":"no"}',
    '{"Error":"no","Status":200}',
  ])('is refused: %s', (line) => {
    expect(parseCreateLine(line)).toBeUndefined();
  });
});
