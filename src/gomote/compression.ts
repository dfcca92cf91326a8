// Chooses the compression on the wire.
import type { BuildletClient } from '../client/buildlet-client.ts';
import { zstdFeature } from '../protocol/features.ts';
import { hasZstd } from '../protocol/has-zstd.ts';
import type { Compression } from '../protocol/transfer.ts';
import { chooseCompression } from '../sync/compression.ts';

/** The compression of what is sent; asks the buildlet only when needed. */
export async function compressionFor(
  client: BuildletClient,
  wished: Compression | 'auto',
  signal: AbortSignal,
): Promise<Compression> {
  const isOpen = wished === 'auto' && chooseCompression(client, wished, {}) !== 'none';
  const decides = wished === 'zstd' || (isOpen && hasZstd);
  const isZstdKnown = decides && (await client.has(zstdFeature, { signal }));
  return chooseCompression(client, wished, { zstd: isZstdKnown });
}
