// What a terminal would obey in the text of a buildlet never reaches it.
import { describe, expect, it } from 'vitest';
import { formatRecord } from '../../src/protocol/log-records.ts';
import { logContentType } from '../../src/protocol/session.ts';
import { testCli } from '../helpers/cli.ts';
import { serveHttp } from '../helpers/http-server.ts';

const hostile = '\u001b]0;owned\u0007\u009b2J\u202ex';
const shown = '\\x1b]0;owned\\x07\\x9b2J\\u202ex';

const sum = {
  bytes: 0,
  sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
};
const end = {
  code: 1,
  signal: null,
  why: 'exit',
  state: hostile,
  started: '2026-01-01T00:00:00Z',
  ended: '2026-01-01T00:00:00Z',
  durationMs: 1,
  stdout: sum,
  stderr: sum,
} as const;

const info = {
  id: 'a-run',
  command: ['sh', '-c', hostile],
  running: true,
  detached: false,
  tty: false,
  readers: 0,
  started: '2026-01-01T00:00:00Z',
  logBytes: 0,
  stdinBytes: 0,
};

/** A buildlet that says hostile things where it can, and answers any other path with such an error. */
const serveHostile = (log: object = end): Promise<string> =>
  serveHttp((_request, response, path) => {
    const entry = `-rw-r--r--\t${hostile}\t1\t2026-01-01T00:00:00Z\n`;
    const bodies: Record<string, string | Buffer> = {
      '/ls': entry,
      '/sessions': JSON.stringify([info]),
      '/sync/differences': `A\0${hostile}\0`,
      '/session': formatRecord('end', JSON.stringify(log)),
    };
    if (path === '/session') response.setHeader('Content-Type', logContentType);
    response.statusCode = path in bodies ? 200 : 500;
    response.end(bodies[path] ?? hostile);
  });

/** What a terminal must not get, beside the ends of lines. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

const cases: [argv: string, log?: object][] = [
  ['ls N'],
  ['ps N'],
  ['ps --json N'],
  ['diff N'],
  ['diff --json N'],
  ['ping N'],
  ['rm N x'],
  ['get N x'],
  ['pull N x'],
  ['kill N x'],
  ['logs N x'],
  ['run N true', { ...end, why: 'not-started', state: hostile }],
  ['run N true', { ...end, why: 'log', error: hostile }],
  ['run N true', { ...end, why: 'signal', code: null, signal: hostile }],
  ['wait N x', { ...end, why: 'signal', code: null, signal: hostile }],
];

describe('text of a hostile buildlet on a terminal', () => {
  it.each<[argv: string, log?: object]>(cases)('is shown with escapes by %s', async (argv, log) => {
    const address = await serveHostile(log);
    const words = argv.split(' ').map((word) => (word === 'N' ? `x@${address}` : word));
    const { stdout, stderr } = await testCli()(words, { isTerminal: true });
    expect(stdout + stderr).not.toMatch(obeyed);
    expect(stdout + stderr).not.toBe('');
  });

  it.each(['ls N', 'diff N'])('is left unchanged in a pipe by %s', async (argv) => {
    const address = await serveHostile();
    const words = argv.split(' ').map((word) => (word === 'N' ? `x@${address}` : word));
    expect((await testCli()(words)).stdout).toContain(hostile);
    expect((await testCli()(words, { isTerminal: true })).stdout).toContain(shown);
  });
});
