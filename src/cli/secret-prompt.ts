// Asking for a secret: on a terminal without showing it, else the first line of standard input.
import { GomoteError } from '../errors.ts';
import type { Terminal } from './terminal.ts';

/** The longest secret that is read, in bytes. */
const limitBytes = 4_096;

const keys = { enter: ['\r', '\n'], erase: ['\x7f', '\b'], interrupt: '\x03', end: '\x04' };

export async function askSecret(terminal: Terminal, prompt: string): Promise<string> {
  const { stdin, stderr } = terminal;
  if (stdin.isTTY !== true) return firstLine(await readAll(terminal));
  stderr.write(prompt);
  const setRaw = (isRaw: boolean) => {
    if ('setRawMode' in stdin && typeof stdin.setRawMode === 'function') stdin.setRawMode(isRaw);
  };
  setRaw(true);
  try {
    return await readKeys(terminal);
  } finally {
    setRaw(false);
    stdin.pause();
    stderr.write('\n');
  }
}

/** A yes or no; only a clear yes is one. */
export async function askYes(terminal: Terminal, question: string): Promise<boolean> {
  const { stdin, stderr } = terminal;
  stderr.write(question);
  for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
    stdin.pause();
    return /^y(es)?\s*$/i.test(String(chunk));
  }
  return false;
}

async function readKeys({ stdin }: Terminal): Promise<string> {
  let secret = '';
  for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
    for (const key of String(chunk)) {
      if (keys.enter.includes(key) || key === keys.end) return secret;
      if (key === keys.interrupt) throw new GomoteError('ERR_ABORTED', 'ended by Ctrl-C');
      if (keys.erase.includes(key)) secret = secret.slice(0, -1);
      else secret += key;
    }
  }
  return secret;
}

async function readAll({ stdin }: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk));
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) {
      throw new GomoteError('ERR_USAGE', 'standard input holds more than a token', {
        hint: 'give the one token, or --token-file FILE',
      });
    }
  }
  return Buffer.concat(chunks).toString();
}

const firstLine = (text: string): string => text.split(/\r?\n/, 1)[0]?.trim() ?? '';
