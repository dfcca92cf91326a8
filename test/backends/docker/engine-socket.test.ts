// The engine behind ssh, with a program in the place of ssh.
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Engine } from '../../../src/backends/docker/engine.ts';
import { processesWith, until } from '../../helpers/processes.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

/** An engine behind an `ssh` that runs the shell script. */
function engineBehind(script: string): Engine {
  const bin = join(temporaryDirectory(), 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'ssh'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${bin}${delimiter}${process.env.PATH}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  return new Engine({ kind: 'ssh', url: 'ssh://box', args: ['box'] }, undefined);
}

const ping = (engine: Engine) => engine.json({ method: 'GET', path: '/info' });

const refused = "echo 'ssh: connect to host box port 22: Connection refused' >&2; exit 255";

it.each([
  ['at once', refused],
  ['after it has closed its input', `exec 0</dev/null; sleep 0.1; ${refused}`],
  ['after it has closed its output', `exec >&-; sleep 0.1; ${refused}`],
  ['after the request', `head -c 1 >/dev/null; ${refused}`],
  ['in the middle of a reply', `head -c 1 >/dev/null; printf 'HTTP/1.1 200 OK\\r\\n'; ${refused}`],
])('the error contains what an ssh that fails %s prints', async (_when, script) => {
  await expect(ping(engineBehind(script))).rejects.toMatchObject({
    code: 'ERR_CONNECT',
    message: expect.stringMatching(
      /^cannot reach the Docker engine ssh:\/\/box: ssh: connect to host box port 22: Connection refused$/,
    ),
  });
});

it('an ssh that exits with 0 without a reply is an error', async () => {
  await expect(ping(engineBehind('exit 0'))).rejects.toMatchObject({ code: 'ERR_CONNECT' });
});

const head = 'HTTP/1.1 200 OK\\r\\nApi-Version: 1.41\\r\\nContent-Length: 2\\r\\n\\r\\n{}';
/** Answers every request. */
const answer = `while IFS= read -r line; do [ "$line" = "$(printf '\\r')" ] && printf '${head}'; done`;

it('an engine answers over ssh', async () => {
  expect(await ping(engineBehind(answer))).toEqual({});
});

it('a request that is cancelled while the version is asked for does not fail the others', async () => {
  const engine = engineBehind(`sleep 0.5; ${answer}`);
  const leaving = new AbortController();
  const { signal } = leaving;
  const left = engine.json({ method: 'GET', path: '/info', signal });
  const other = ping(engine);
  leaving.abort();
  await expect(left).rejects.toBe(signal.reason);
  expect(await other).toEqual({});
});

it('an ssh that has missed its signal ends with its input', async () => {
  const mark = temporaryDirectory();
  const isRunning = () => processesWith(`grep\0${mark}`).length > 0;
  const leaving = new AbortController();
  const engine = engineBehind(`trap '' TERM; exec grep ${mark}`);
  const asked = engine.json({ method: 'GET', path: '/info', signal: leaving.signal });
  const refusal = expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  await until(isRunning);
  leaving.abort();
  await refusal;
  await until(() => !isRunning());
});
