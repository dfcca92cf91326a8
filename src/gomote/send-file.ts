// Sends one file to a buildlet. Separate from local files, which not every command loads.
import type { CallOptions } from '../client/client-options.ts';
import type { Compression, TransferSummary } from '../protocol/transfer.ts';
import { compressionFor } from './compression.ts';
import type { ConnectedBuildlet } from './connected-buildlet.ts';
import { onPath, writingHint } from './remote-path.ts';

/** The options of `put`. */
export interface PutOptions extends CallOptions {
  /** Permission bits, such as 0o755. Default: the file's own. */
  readonly mode?: number | undefined;
  /** Default `auto`. */
  readonly compress?: Compression | 'auto' | undefined;
}

/** The permissions of content that is not from a file. */
export const defaultMode = 0o644;

export async function sendFile(
  { name, client }: Pick<ConnectedBuildlet, 'name' | 'client'>,
  bytes: AsyncIterable<Uint8Array>,
  path: string,
  {
    compress: wished = 'auto',
    ...options
  }: PutOptions & { mode: number; into: string | undefined; signal: AbortSignal },
): Promise<TransferSummary> {
  const choose = () => compressionFor(client, wished, options.signal);
  const compress = wished === 'auto' ? choose : await choose();
  return await onPath(
    name,
    path,
    () => client.files.put(bytes, path, { ...options, compress }),
    writingHint,
  );
}
