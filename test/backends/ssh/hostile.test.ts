// A program in the place of ssh, which answers as no honest host does.
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../src/backends/backend.ts';
import { SshBackend } from '../../../src/backends/ssh/backend.ts';
import { readDestination } from '../../../src/backends/ssh/destination.ts';
import { sshError } from '../../../src/backends/ssh/ssh-error.ts';
import { GomoteError } from '../../../src/errors.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const { signal } = new AbortController();

/** A backend whose ssh connects at once and runs the shell script, with `$mark` as what answers begin with. */
function backendWith(script: string) {
  const directory = temporaryDirectory();
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const ssh = `#!/bin/sh
case " $* " in *" -N "*) exit 0;; *" -O "*) exit 0;; esac
mark=$(dd bs=1 count=400 2>/dev/null | grep -o '[0-9a-f]\\{24\\}' | head -n 1)
say() { printf '\\n%s %s\\n' "$mark" "$1"; }
${script}
`;
  writeFileSync(join(bin, 'ssh'), ssh, { mode: 0o755 });
  const environment = { HOME: directory, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const settings = { kind: 'ssh', name: 'farm', hosts: ['box'], environment } as const;
  return new SshBackend(settings, undefined);
}

const failureOf = async (work: Promise<unknown>): Promise<GomoteError> => {
  const error = await work.then(
    (value) => new Error(`it gave ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof GomoteError) return error;
  throw error;
};

const instance = '"name":"me-x-0","builderType":"x","hostType":"x"';

describe('a reply of a host', () => {
  it.each([
    { what: 'nothing', script: 'exit 0', message: /^box: its shell ended with 0/ },
    {
      what: 'a reason',
      script: 'echo "go away"; exit 3',
      message: /^box: its shell ended with 3: go away$/,
    },
    {
      what: 'text without end',
      script: 'exec cat /dev/zero',
      message: /^box: a line without an end$/,
    },
    {
      what: 'lines without end',
      script: 'exec yes hello',
      message: /^box: its shell says too much$/,
    },
    {
      what: 'escapes',
      script: 'say "failed $(printf \'\\033]0;x\\007\')"',
      message: /^box: \\x1b\]0;x\\x07$/,
    },
    {
      what: 'a word of its own',
      script: 'say dance',
      message: /^box: an answer that nobody gives: dance$/,
    },
    {
      what: 'that a copy is missing, for ever',
      script: 'case $mark in *) say files; cat >/dev/null;; esac',
      message: /^box: /,
    },
    {
      what: 'no JSON',
      script: 'say ready; echo hello',
      message: /^box: a reply that cannot be read$/,
    },
    {
      what: 'JSON of another kind',
      script: 'say ready; echo "[1]"',
      message: /^box: a reply that cannot be read$/,
    },
    {
      what: 'an unknown error',
      script: `say ready; echo '{"error":{"code":"ERR_X","message":"x"}}'`,
      message: /cannot be read$/,
    },
    {
      what: 'an error with escapes',
      script: `say ready; echo '{"error":{"code":"ERR_USAGE","message":"\\u001b[2J"}}'`,
      message: /^box: \\x1b\[2J$/,
    },
    {
      what: 'a name that is a path',
      script: `say ready; echo '{"ok":[{"name":"../../x","builderType":"x","hostType":"x"}]}'`,
      message: /cannot be read$/,
    },
    {
      what: 'a date that is none',
      script: `say ready; echo '{"ok":[{${instance},"created":"now"}]}'`,
      message: /cannot be read$/,
    },
    {
      what: 'half a line',
      script: `say ready; printf '{"ok":['`,
      message: /^box: its shell ended with 0/,
    },
  ])('is checked when it is listed: $what', async ({ script, message }) => {
    const error = await failureOf(backendWith(script).list({ signal }));
    expect(error.message).toMatch(message);
  });

  it.each([
    {
      what: 'a relative socket',
      found: `{"instance":{${instance}},"socket":"x","password":"abc"}`,
    },
    {
      what: 'a password of two lines',
      found: `{"instance":{${instance}},"socket":"/x","password":"a\\nb"}`,
    },
    {
      what: 'a socket of two lines',
      found: `{"instance":{${instance}},"socket":"/x\\ny","password":"abc"}`,
    },
    { what: 'no password', found: `{"instance":{${instance}},"socket":"/x"}` },
  ])('is checked when a buildlet is connected to: $what', async ({ found }) => {
    const backend = backendWith(
      `say ready; echo '{"ok":${found.replaceAll('\\', '\\\\')}}'; cat >/dev/null`,
    );
    const error = await failureOf(backend.connect('me-x-0', { signal }));
    expect(error.message).toMatch(/^box: a reply that cannot be read$/);
  });

  it('is skipped up to its answers, whatever it contains', async () => {
    const banner =
      "printf 'no newline \\001\\377'; head -c 70000 /dev/urandom; echo; echo '{\"ok\":[]}';";
    const backend = backendWith(
      `${banner} say ready; echo '{"ok":[{${instance},"dead":"died"}]}'; cat >/dev/null`,
    );
    const listed: Instance[] = await backend.list({ signal });
    expect(listed).toMatchObject([{ name: 'me-x-0', dead: 'died' }]);
  });

  it('that never comes is waited for until the caller’s signal', async () => {
    const giveUp = new AbortController();
    const listing = backendWith('sleep 1000').list({ signal: giveUp.signal });
    giveUp.abort(new Error('enough'));
    await expect(listing).rejects.toThrow('enough');
  });
});

describe('the name of a host', () => {
  it.each([
    ['box', { host: 'box', user: undefined, port: undefined }],
    ['user@box', { host: 'box', user: 'user' }],
    ['user@box:2222', { host: 'box', user: 'user', port: 2222 }],
    ['ssh://user@box:2222', { text: 'user@box:2222', host: 'box', port: 2222 }],
    ['ssh://box/', { text: 'box', host: 'box' }],
    ['DOMAIN\\user@box', { host: 'box', user: 'DOMAIN\\user' }],
    ['a@b@box', { host: 'box', user: 'a@b' }],
    ['10.0.0.1:22', { host: '10.0.0.1', port: 22 }],
    ['user@[2001:db8::1]:22', { host: '2001:db8::1', port: 22 }],
    ['2001:db8::1', { host: '2001:db8::1', port: undefined }],
    ['fe80::1%eth0', { host: 'fe80::1%eth0' }],
  ])('%j is valid', (text, expected) => {
    expect(readDestination(text)).toMatchObject(expected);
  });

  it.each([
    '',
    '@',
    'user@',
    '-box',
    '-l@box',
    'user@-box',
    'a b',
    'box:',
    'box:0',
    'box:65536',
    'box:x',
    'box/x',
    'bo\nx',
    'box`x`',
    "box'",
    'box$x',
    '[box',
    'user name@box',
  ])('%j is invalid', (text) => {
    expect(readDestination(text)).toBeUndefined();
  });
});

describe('an error of ssh', () => {
  const [box] = [readDestination('me@box')];
  it.each([
    [
      'ssh: Could not resolve hostname box: Name or service not known',
      'ERR_CONNECT',
      'no host of that name',
    ],
    [
      'ssh: connect to host box port 22: Connection refused',
      'ERR_CONNECT',
      'it refuses the connection',
    ],
    ['ssh: connect to host box port 22: Connection timed out', 'ERR_CONNECT', 'it does not answer'],
    ['ssh: connect to host box port 22: No route to host', 'ERR_CONNECT', 'it does not answer'],
    ['me@box: Permission denied (publickey).', 'ERR_UNAUTHORIZED', 'it does not let this user in'],
    ['Host key verification failed.', 'ERR_CERTIFICATE', 'its host key is not known'],
    [
      '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.',
      'ERR_CERTIFICATE',
      'its host key has changed',
    ],
    ['Connection closed by UNKNOWN port 65535', 'ERR_CONNECT', 'ssh cannot connect'],
    ['', 'ERR_CONNECT', 'ssh cannot connect'],
    ['\u001b[2Jhello', 'ERR_CONNECT', 'ssh cannot connect (ssh: \\x1b[2Jhello)'],
  ])('%j is reported as %s', (said, code, message) => {
    if (box === undefined) throw new Error('no destination');
    const error = sshError(box, said);
    expect(error.code).toBe(code);
    expect(error.message.startsWith(`me@box: ${message}`)).toBe(true);
    expect(error.hint).toMatch(/\S/);
  });
});
