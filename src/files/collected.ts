/** All of a stream that should be short: `tooLong` is thrown when it has more bytes than the limit. */
export async function collected(
  source: AsyncIterable<Uint8Array>,
  limitBytes: number,
  tooLong: () => Error,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of source) {
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) throw tooLong();
    // The chunk's memory may be used for the next.
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}
