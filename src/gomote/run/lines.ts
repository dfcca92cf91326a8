// The lines of a stream of text.
import { StringDecoder } from 'node:string_decoder';

/** Yields lines without their line ends, `\n` or `\r\n`; the last line need not have one. */
export async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new StringDecoder();
  let open = '';
  for await (const chunk of source) {
    const parts = decoder.write(Buffer.from(chunk)).split('\n');
    parts[0] = open + parts[0];
    open = parts.pop() ?? '';
    for (const line of parts) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
  open += decoder.end();
  if (open !== '') yield open;
}
