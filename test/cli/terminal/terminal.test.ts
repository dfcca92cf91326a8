import { Readable } from 'node:stream';
import { expect, it, onTestFinished, vi } from 'vitest';
import { colorRed, createMessages } from '../../../src/cli/terminal/terminal.ts';
import { Collector } from '../../helpers/collect.ts';

const terminal = { isTTY: true };

it('red text is red on a terminal', async () => {
  expect(await colorRed(terminal, {}, true, 'text')).toBe('\x1b[31mtext\x1b[39m');
});

it.each([
  ['elsewhere', {}, {}, true],
  ['on a terminal without colours', terminal, { TERM: 'dumb' }, true],
  ['when no colour is wanted', terminal, {}, false],
] as const)('red text is plain %s', async (_where, stream, environment, wanted) => {
  expect(await colorRed(stream, environment, wanted, 'text')).toBe('text');
});

it('a spinner writes a line to a log every ten seconds', async () => {
  const stderr = new Collector();
  const messages = createMessages(
    { stdin: Readable.from([]), stdout: new Collector(), stderr, environment: {} },
    { quiet: false, verbose: false, color: true },
  );
  let nowMs = 1_000;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  onTestFinished(() => void vi.restoreAllMocks());
  await messages.during('creating linux', async (tell) => {
    for (const second of [0, 1, 10, 12, 19.5, 20]) {
      nowMs = 1_000 + second * 1_000;
      tell(`at ${second}`);
    }
  });
  expect(stderr.text).toBe('gomote: creating linux: at 10\ngomote: creating linux: at 19.5\n');
});

it.each([
  ['a terminal of no width', { isTTY: true, columns: 0 }],
  ['no terminal', { isTTY: false }],
])('a spinner is not shown on %s', async (_where, kind) => {
  const stderr = Object.assign(new Collector(), kind);
  const stdin = Readable.from([]);
  const messages = createMessages(
    { stdin, stdout: new Collector(), stderr, environment: {} },
    { quiet: false, verbose: false, color: true },
  );
  expect(
    await messages.during('waiting', async (tell) => {
      tell('a step');
      return 'done';
    }),
  ).toBe('done');
  expect(stderr.text).toBe('');
});
