import { Duplex, PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { ExecStream } from '../../../src/backends/docker/exec-stream.ts';

function framed(stream: 1 | 2, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

/** A stream over a connection that is fed by hand. */
function opened(head = Buffer.alloc(0)) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const socket = Duplex.from({ readable: input, writable: output });
  return { stream: new ExecStream({ socket, head }), input, output };
}

const bytes = Buffer.concat([
  framed(1, 'first'),
  framed(2, 'a complaint\n'),
  framed(1, ''),
  framed(1, ' second'),
]);

describe('the stream of a process in a container', () => {
  it.each([1, 3, 7, 8, 9, 1_000])(
    'gives the output of the process, in pieces of %d bytes',
    async (size) => {
      const { stream, input } = opened();
      const read = buffer(stream);
      for (let at = 0; at < bytes.length; at += size) input.write(bytes.subarray(at, at + size));
      input.end();
      expect((await read).toString()).toBe('first second');
      expect(stream.said).toBe('a complaint\n');
    },
  );

  it('begins with bytes that came together with the header', async () => {
    const { stream, input } = opened(bytes.subarray(0, 11));
    const read = buffer(stream);
    input.end(bytes.subarray(11));
    expect((await read).toString()).toBe('first second');
  });

  it('sends what is written to it, and its end', async () => {
    const { stream, output } = opened();
    stream.on('error', () => undefined);
    stream.end('request');
    expect((await buffer(output)).toString()).toBe('request');
  });

  it('fails with what the process prints on stderr when it has no output', async () => {
    const { stream, input } = opened();
    input.end(framed(2, 'exec failed\nno such file\n'));
    await expect(buffer(stream)).rejects.toThrow('no such file');
  });

  it('waits for a slow reader', async () => {
    const { stream, input } = opened();
    const piece = 'x'.repeat(64 << 10);
    let writtenPieces = 0;
    while (writtenPieces < 1_000 && input.write(framed(1, piece))) writtenPieces++;
    expect(writtenPieces).toBeLessThan(1_000);
    stream.destroy();
  });
});
