// What users had, read off an audit trail.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseSince, usageSince, usageText } from '../../src/coordinator/usage.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const at = (hour: string, event: string, fields: object) =>
  `${JSON.stringify({ time: `2026-11-20T${hour}:00:00Z`, event, ...fields })}\n`;
const of = (owner: string, n: number) => ({ owner, name: `user-${owner}-linux-${n}` });

/** A trail of which the older part was moved away in the middle of a buildlet's life. */
function trail(): string {
  const path = join(temporaryDirectory(), 'audit.jsonl');
  writeFileSync(
    `${path}.1`,
    at('01', 'create', { ...of('a', 0), outcome: 'ok' }) +
      at('01', 'exec', of('a', 0)) +
      at('02', 'create', { ...of('b', 0), outcome: 'Error: no', code: 'ERR_QUOTA' }),
  );
  writeFileSync(
    path,
    at('04', 'destroy', of('a', 0)) +
      'not JSON\n' +
      at('05', 'create', { ...of('b', 1), outcome: 'ok' }) +
      at('06', 'transfer', { ...of('b', 1), bytes: 1_000 }) +
      at('06', 'died', of('b', 1)) +
      at('07', 'destroy', of('b', 1)),
  );
  return path;
}

it('the usage report adds up the usage of each user, over rotated files', async () => {
  const rows = await usageSince(trail(), Date.parse('2026-11-20'));
  expect(usageText(rows, false)).toBe(
    'user\tbuildlets\thours\truns\tbytes\na\t1\t3.0\t1\t0\nb\t1\t1.0\t0\t1000\n',
  );
});

it('the usage report counts only entries after the given time', async () => {
  const rows = await usageSince(trail(), Date.parse('2026-11-20T03:00:00Z'));
  expect(rows).toMatchObject([
    { user: 'a', buildlets: 1, hours: 1, runs: 0 },
    { user: 'b', buildlets: 1, hours: 1, bytes: 1_000 },
  ]);
  expect(await usageSince(trail(), Date.parse('2026-11-21'))).toEqual([]);
});

it('the usage report accepts dates, days and durations, and refuses anything else', () => {
  const now = Date.parse('2026-11-20');
  expect(parseSince('2026-11-01', now)).toBe(Date.parse('2026-11-01'));
  expect(parseSince('7d', now)).toBe(Date.parse('2026-11-13'));
  expect(parseSince('12h', now)).toBe(Date.parse('2026-11-19T12:00:00Z'));
  expect(() => parseSince('yesterday', now)).toThrow('neither a date nor a duration');
});

it('the usage report explains how to turn on the audit trail', async () => {
  await expect(usageSince(join(temporaryDirectory(), 'audit.jsonl'), 0)).rejects.toMatchObject({
    hint: expect.stringContaining('audit-to = "log"'),
  });
});
