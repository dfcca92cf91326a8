// Explains why ssh cannot connect, in one line that names the host and what to do next.
import { type ErrorCode, GomoteError } from '../../errors.ts';
import type { Destination } from './destination.ts';

interface Refusal {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly what: string;
  readonly hint: string;
}

/** HOST stands for the host as typed. The first pattern that matches ssh's output is used. */
const refusals: readonly Refusal[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed/i,
    code: 'ERR_CERTIFICATE',
    what: 'its host key has changed: it is another machine, or somebody is in between',
    hint: 'if you know why: ssh-keygen -R NAME, then ssh HOST',
  },
  {
    pattern: /Host key verification failed|No .* host key is known/i,
    code: 'ERR_CERTIFICATE',
    what: 'its host key is not known',
    hint: 'look at it and accept it once: ssh HOST',
  },
  {
    pattern: /Could not resolve hostname|Name or service not known/i,
    code: 'ERR_CONNECT',
    what: 'no host of that name is known',
    hint: 'check the name, or add a Host entry to ~/.ssh/config',
  },
  {
    pattern: /Connection refused/i,
    code: 'ERR_CONNECT',
    what: 'it refuses the connection',
    hint: 'see that sshd runs there, and on which port',
  },
  {
    pattern: /timed out|No route to host|Network is unreachable|Host is down/i,
    code: 'ERR_CONNECT',
    what: 'it does not answer',
    hint: 'see that it is up and that this network leads to it: ssh HOST',
  },
  {
    pattern: /Permission denied|Too many authentication failures|No supported authentication/i,
    code: 'ERR_UNAUTHORIZED',
    what: 'it does not let this user in',
    hint: 'make "ssh HOST" work first: ssh-copy-id HOST, or ssh-add for the key',
  },
  {
    pattern: /Bad owner or permissions|Bad configuration option|no argument after keyword/i,
    code: 'ERR_CONFIG',
    what: 'ssh cannot use its configuration',
    hint: 'correct it until "ssh HOST" works',
  },
];

/** Why ssh did not reach the host, from its standard error. */
export function sshError(destination: Destination, said: string): GomoteError {
  const { text, host } = destination;
  const filled = (words: string) => words.replaceAll('HOST', text).replaceAll('NAME', host);
  const last = lastUsefulLine(said);
  const known = refusals.find(({ pattern }) => pattern.test(said));
  const what = known?.what ?? 'ssh cannot connect';
  const hint = filled(known?.hint ?? 'see what "ssh HOST" says');
  return new GomoteError(
    known?.code ?? 'ERR_CONNECT',
    `${text}: ${what}${last === undefined ? '' : ` (ssh: ${last.replace(/^ssh: /, '')})`}`,
    { hint },
  );
}

/** The last useful line of a program's output. */
export const lastUsefulLine = (said: string): string | undefined =>
  said
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(Warning: Permanently added|@+$)/.test(line))
    .at(-1);
