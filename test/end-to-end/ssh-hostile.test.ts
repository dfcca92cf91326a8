// What ssh shows of a machine that answers as it should not: the client always ends, and no byte of the machine's own text
// reaches the terminal as it is.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { formatRecord } from '../../src/protocol/log-records.ts';
import { type Misbehaviour, startOddMachine } from '../helpers/odd-machine.ts';
import { workshop } from '../helpers/programs.ts';
import { hasSsh, withSsh } from '../helpers/ssh.ts';

const escapes = '\x1b]0;mine\x07\x1b[2J';

const status = (_: unknown, response: { end(text: string): void }) =>
  response.end('{"Version":25,"Features":["session","sftp","forward"]}');

const nothing = { bytes: 0, sha256: createHash('sha256').digest('hex') };

const ended = (fields: object): Buffer =>
  formatRecord(
    'end',
    JSON.stringify({
      ...{ code: 0, signal: null, why: 'exit', state: 'exit status 0' },
      ...{ started: '2026-11-24T20:44:31.606Z', ended: '2026-11-24T20:44:31.617Z' },
      ...{ durationMs: 10, stdout: nothing, stderr: nothing },
      ...fields,
    }),
  );

const log =
  (...records: (Buffer | string)[]): Misbehaviour =>
  (request, response) => {
    request.resume();
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    for (const record of records) response.write(record);
    response.end();
  };

async function sshTo(session: Misbehaviour) {
  const { address } = await startOddMachine({ '/status': status, '/session': session });
  return await withSsh(workshop(), `x@${address}`);
}

describe.skipIf(!hasSsh)('ssh to a machine that', () => {
  it.each<[string, Misbehaviour]>([
    [
      'refuses with escapes',
      (_request, response) => response.writeHead(500).end(`Error: no ${escapes}`),
    ],
    ['sends no records', log(`what ${escapes}`)],
    ['sends a record without an end', log('out 0 999999999\nhello')],
    ['sends a record of no size', log(`out 0 -1\n${escapes}`)],
    ['ends a command by no signal', log(ended({ code: null, signal: escapes, why: 'signal' }))],
    ['counts what it has not sent', log(ended({ stdout: { ...nothing, bytes: 7 } }))],
    ['says of the log what it likes', log(ended({ code: null, why: 'log', error: escapes }))],
  ])('%s ends with 255', async (_, session) => {
    const { ssh, host } = await sshTo(session);
    const { code, signal, stdout, stderr } = await ssh('-n', host, 'true');
    expect({ code, signal }).toEqual({ code: 255, signal: null });
    expect(stdout.includes(escapes)).toBe(false);
    expect(stderr).toMatch(/^gomote: /m);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not come.
    expect(stderr).not.toMatch(/[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]/);
  });

  it.each([
    { end: { code: 256 }, code: 1 },
    { end: { code: 0x1_0000_0000 }, code: 255 },
    { end: { code: null, why: 'not-started', state: escapes }, code: 126 },
  ])('ends a command by $end ends with $code', async ({ end, code }) => {
    const { ssh, host } = await sshTo(log(ended(end)));
    const result = await ssh('-n', host, 'true');
    expect(result).toMatchObject({ code });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not come.
    expect(result.stderr).not.toMatch(/[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]/);
  });
});
