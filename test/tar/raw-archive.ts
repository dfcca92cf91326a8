// Archives written block by block, so that they can hold what no honest archiver writes.
import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { Header, Pax } from 'tar';
import { type UnpackTotals, unpackTar } from '../../src/tar/unpack.ts';

export interface RawEntry {
  name: string;
  /** The letter in the header. Default: a file. */
  type?: string;
  content?: string | Uint8Array;
  link?: string;
  mode?: number;
  mtime?: Date;
  /** Written as a PAX header before the entry. */
  pax?: ConstructorParameters<typeof Pax>[0];
}

export function block(entry: RawEntry): Buffer {
  const content = Buffer.from(entry.content ?? '');
  const header = Buffer.alloc(512);
  new Header({
    path: entry.name,
    mode: entry.mode ?? (entry.type === '5' ? 0o755 : 0o644),
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: entry.mtime ?? new Date(1e12),
    type: 'File',
    linkpath: entry.link ?? '',
  }).encode(header);
  header.write(entry.type ?? '0', 156, 'latin1');
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  const pax = entry.pax === undefined ? Buffer.alloc(0) : new Pax(entry.pax).encode();
  return Buffer.concat([pax, sealed(header), content, padding]);
}

/** The header with its checksum made right. */
export function sealed(header: Buffer): Buffer {
  header.fill(' ', 148, 156);
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

export const endOfArchive = Buffer.alloc(1024);

export const rawTar = (...entries: readonly RawEntry[]): Buffer =>
  Buffer.concat([...entries.map(block), endOfArchive]);

export const rawTarGz = (...entries: readonly RawEntry[]): Buffer => gzipSync(rawTar(...entries));

/** The bytes as a source that gives them in chunks. */
export async function* chunked(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size)
    yield bytes.subarray(start, start + size);
}

export const unpack = (bytes: Uint8Array, root: string, dir = '.'): Promise<UnpackTotals> =>
  unpackTar(chunked(bytes), { root, dir });

/** GNU tar's archive of everything in `root`. */
export const gnuTarGz = (root: string, ...options: string[]): Buffer =>
  execFileSync('tar', ['-cz', ...options, '-C', root, '.'], { maxBuffer: 1 << 28 });

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}
