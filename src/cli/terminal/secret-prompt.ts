// Prompts for a secret: on a terminal without echo; otherwise reads the first line of standard input.
import { on } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import { GomoteError } from '../../errors.ts';
import { collected } from '../../files/collected.ts';
import type { Terminal } from './terminal.ts';

const limitBytes = 4_096;

const keys = { enter: ['\r', '\n'], erase: ['\x7f', '\b'], interrupt: '\x03', end: '\x04' };

/** Prompts for a secret. Throws the signal's reason. */
export async function askSecret(
  terminal: Terminal,
  prompt: string,
  signal: AbortSignal,
): Promise<string> {
  const { stdin, stderr } = terminal;
  if (stdin.isTTY !== true) return firstLine(String(await collected(stdin, limitBytes, tooLong)));
  const setRaw = (isRaw: boolean) => {
    if ('setRawMode' in stdin && typeof stdin.setRawMode === 'function') stdin.setRawMode(isRaw);
  };
  setRaw(true);
  stderr.write(prompt);
  try {
    return await readKeys(terminal, signal);
  } finally {
    setRaw(false);
    stderr.write('\n');
  }
}

/** Prompts for yes or no; anything but a clear yes is no. Throws the signal's reason. */
export async function askYes(
  terminal: Terminal,
  question: string,
  signal: AbortSignal,
): Promise<boolean> {
  terminal.stderr.write(question);
  for await (const line of typed(terminal, signal)) return /^y(es)?\s*$/i.test(line);
  return false;
}

async function readKeys(terminal: Terminal, signal: AbortSignal): Promise<string> {
  const secret: string[] = [];
  for await (const text of typed(terminal, signal)) {
    for (const key of text) {
      if (keys.enter.includes(key) || key === keys.end) return secret.join('');
      // Handle the keys that the terminal handles outside raw mode.
      if (key === keys.interrupt) process.kill(process.pid, 'SIGINT');
      else if (keys.erase.includes(key)) secret.pop();
      else secret.push(key);
    }
  }
  return secret.join('');
}

/** Yields the typed characters until the reader stops or the signal aborts. */
async function* typed({ stdin }: Terminal, signal: AbortSignal): AsyncGenerator<string> {
  // A chunk may end in the middle of a character.
  const decoder = new StringDecoder();
  const chunks = on(stdin, 'data', { signal, close: ['end'] });
  stdin.resume();
  try {
    for await (const [chunk] of chunks) yield decoder.write(Buffer.from(chunk));
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    stdin.pause();
  }
}

const tooLong = () =>
  new GomoteError('ERR_USAGE', 'standard input holds more than a token', {
    hint: 'give the one token, or --token-file FILE',
  });

const firstLine = (text: string): string => text.split(/\r?\n/, 1)[0]?.trim() ?? '';
