// Chooses the compression when the user does not.
import type { BuildletClient } from '../client/buildlet-client.ts';
import { GomoteError } from '../errors.ts';
import { hasZstd } from '../protocol/has-zstd.ts';
import type { Compression } from '../protocol/transfer.ts';

/** `auto` means none on this machine, and over a network zstd if both ends have it, else gzip. Throws ERR_USAGE. */
export function chooseCompression(
  client: BuildletClient,
  wished: Compression | 'auto',
  { zstd }: { readonly zstd?: boolean | undefined },
): Compression {
  if (wished === 'zstd' && !(hasZstd && zstd === true)) {
    const who = hasZstd ? client.name : `Node ${process.versions.node}`;
    throw new GomoteError('ERR_USAGE', `${who} has no zstd`, { hint: 'give --compress gzip' });
  }
  if (wished !== 'auto') return wished;
  if (isOnThisMachine(client.url)) return 'none';
  return hasZstd && zstd === true ? 'zstd' : 'gzip';
}

const isOnThisMachine = (url: string): boolean =>
  /^http\+unix:|^https?:\/\/(?:127\.|localhost[:/]|\[::1\])/.test(`${url}/`);
