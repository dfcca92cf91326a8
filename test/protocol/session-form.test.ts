// The request that starts a run, as a form.
import { describe, expect, it } from 'vitest';
import {
  decodeSessionForm,
  encodeSessionForm,
  type SessionRequest,
} from '../../src/protocol/session.ts';

const command = {
  cmd: 'make',
  systemLevel: true,
  dir: '',
  args: ['-j', '2'],
  env: [],
  debug: false,
};

const off = { stdin: false, merge: false, detach: false };

const settings: [what: string, given: Partial<SessionRequest>, read: object][] = [
  ['nothing', {}, off],
  [
    'switches',
    { stdin: true, merge: true, detach: true },
    { stdin: true, merge: true, detach: true },
  ],
  ['a switch that is off', { stdin: false, merge: true }, { ...off, merge: true }],
  ...(['timeoutMs', 'idleTimeoutMs', 'killAfterMs', 'graceMs'] as const).flatMap(
    (name): typeof settings => [
      [`${name} of 0`, { [name]: 0 }, { ...off, [name]: 0 }],
      [`${name} of a fraction`, { [name]: 1.2 }, { ...off, [name]: 2 }],
      [`${name} without end`, { [name]: Infinity }, { ...off, [name]: Number.MAX_SAFE_INTEGER }],
    ],
  ),
  [
    'a terminal',
    { tty: { term: 'xterm', columns: 80, rows: 24 } },
    { ...off, tty: { term: 'xterm', columns: 80, rows: 24 } },
  ],
];

describe('the form of a run', () => {
  it.each(settings)('decodes to the run that was encoded, with %s', (_what, given, read) => {
    expect(decodeSessionForm(encodeSessionForm({ ...command, ...given }))).toEqual({
      ...command,
      ...read,
    });
  });

  it.each(['timeoutMs', 'idleTimeoutMs', 'killAfterMs', 'graceMs'])(
    'is refused when its %s is not a whole number',
    (name) => {
      const form = encodeSessionForm(command);
      for (const text of ['', '-1', '1.5', 'NaN', '1e3', '9'.repeat(16), '9'.repeat(17)]) {
        expect(decodeSessionForm(`${form}&${name}=${text}`)).toEqual({
          refused: `bogus '${name}' parameter`,
        });
      }
    },
  );
});
