// The text of a list, which is put together of parts that are kept: it must be what JSON says.
import { expect, it } from 'vitest';
import { formatRecords } from '../../src/protocol/coordinator.ts';

const record = (n: number) => ({
  owner: `own"er\\n${n}`,
  name: `user-a-linux-${n}`,
  hostType: 'host',
  builderType: 'linux',
  createdMs: 1_700_000_000_000 + n,
  expiresMs: 1_700_000_100_000,
});

const asGo = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;

it.each([0, 1, 3])('a list of %i is indented as Go indents it, also the second time', (count) => {
  const records = Array.from({ length: count }, (_, n) => record(n));
  const plain = records.map(({ owner, name, createdMs }) => ({
    User: `user-${owner}`,
    Name: name,
    HostType: 'host',
    BuilderType: 'linux',
    Created: new Date(createdMs).toISOString(),
    Expires: '2023-11-14T22:15:00.000Z',
  }));
  const more = { Health: 'dead', Reason: 'a "reason"\nof two lines' };
  for (const _again of [1, 2]) {
    expect(formatRecords(records)).toBe(asGo(plain));
    expect(formatRecords(records, () => ({ ...more, Absent: undefined }))).toBe(
      asGo(plain.map((one) => ({ ...one, ...more }))),
    );
  }
});

it('a record that has changed is encoded again', () => {
  const before = record(1);
  formatRecords([before]);
  const after = formatRecords([{ ...before, expiresMs: before.expiresMs + 60_000 }]);
  expect(after).toContain('"Expires": "2023-11-14T22:16:00.000Z"');
});
