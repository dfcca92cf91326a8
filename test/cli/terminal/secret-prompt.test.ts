// Asking for a secret on a terminal, key by key.
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { askSecret } from '../../../src/cli/terminal/secret-prompt.ts';

async function type(...chunks: Uint8Array[]): Promise<string> {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const terminal = { stdin, stdout: new PassThrough(), stderr: new PassThrough(), environment: {} };
  const secret = askSecret(terminal, 'Secret: ', new AbortController().signal);
  for (const chunk of chunks) stdin.write(chunk);
  return await secret;
}

const bytes = (text: string) => Buffer.from(text);

describe('a secret that is typed', () => {
  it.each(['pässwört', '日本語', '🔑🔑', 'plain'])(
    '%s arrives complete, wherever its bytes are cut',
    async (secret) => {
      const typed = bytes(`${secret}\r`);
      for (let cut = 1; cut < typed.length; cut++) {
        expect(await type(typed.subarray(0, cut), typed.subarray(cut))).toBe(secret);
      }
      expect(await type(...[...typed].map((byte) => Uint8Array.of(byte)))).toBe(secret);
    },
  );

  it('loses a whole character to the erase key', async () => {
    expect(await type(bytes('a🔑\x7fü\x7f\x7fb\r'))).toBe('b');
  });
});
