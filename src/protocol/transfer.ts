// The extensions for transfers: the compression, and the totals of both ends.

/** The compression of bytes on the wire. For an archive, `none` is gzip with stored blocks, so that every gzip reader can read it. */
export type Compression = 'gzip' | 'zstd' | 'none';
export const compressions: readonly Compression[] = ['gzip', 'zstd', 'none'];

/**
 * The request header that asks for `Gomote-Totals`; its value is how the archive is compressed (upload) or should be
 * (download). A buildlet without that compression uses gzip.
 */
export const compressHeader = 'Gomote-Compress';

/** The header of an upload's reply, and the trailer of a download's: the buildlet's totals. */
export const totalsHeader = 'Gomote-Totals';

/**
 * A reply header with warnings: a JSON list of texts, percent-encoded. A removal asks
 * for it with the same header, an upload with {@link compressHeader}.
 */
export const warningsHeader = 'Gomote-Warnings';

export const formatWarnings = (warnings: readonly string[]): string =>
  encodeURIComponent(JSON.stringify(warnings));

/** Reads {@link formatWarnings}; ignores anything else. */
function parseWarnings(text: string | undefined): string[] {
  try {
    const list: unknown = JSON.parse(decodeURIComponent(text ?? '[]'));
    return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : [];
  } catch {
    return [];
  }
}

/** The warnings of a reply. */
export function readWarnings(headers: Readonly<Record<string, unknown>>): string[] {
  const header = headers[warningsHeader.toLowerCase()];
  return parseWarnings(header === undefined ? undefined : String(header));
}

/** The totals that one end counted. */
export interface TransferTotals {
  /** Regular files. */
  files: number;
  /** The bytes in them. */
  bytes: number;
  /** The bytes of the body. */
  wireBytes: number;
  /** SHA-256 of the body, lower-case hex. */
  sha256: string;
}

/** The totals of an end that does not know the content of the body. */
export type TransferSummary = Pick<TransferTotals, 'wireBytes' | 'sha256'> & {
  /** Regular files; undefined: not known. */
  files: number | undefined;
  /** The bytes in them; undefined: not known. */
  bytes: number | undefined;
  /** Remarks of the buildlet. */
  warnings?: readonly string[];
  /** What was skipped or changed, and why. */
  skipped?: Skipped;
};

export const formatTotals = ({ files, bytes, wireBytes, sha256 }: TransferTotals): string =>
  `files=${files}, bytes=${bytes}, wire=${wireBytes}, sha256=${sha256}`;

/** The parameter of a download that skips unreadable and changing files instead of failing. They are listed at the end. */
export const partialParameter = 'partial';

/** Of a download for a snapshot: times to the millisecond, and paths that are left out with all below them. */
export const preciseParameter = 'precise';
export const excludeParameter = 'exclude';

/** Of an upload for a snapshot: with `any`, symbolic links may lead out of the work directory. */
export const linksParameter = 'links';

/** What a download skipped or sent changed: how many, and the first few with the reasons. */
export interface Skipped {
  /** How many were left out. */
  readonly count: number;
  /** The first of them. */
  readonly first: readonly string[];
}

/** Appends to {@link formatTotals}; empty when nothing was skipped. */
export const formatSkipped = ({ count, first }: Skipped): string =>
  count === 0 ? '' : `, skipped=${count} ${encodeURIComponent(JSON.stringify(first))}`;

/** Removes {@link formatSkipped} from the end; `totals` is the rest. */
export function parseSkipped(text: string): { totals: string; skipped: Skipped } {
  const match = /^(.*), skipped=(\d{1,15}) (\S*)$/.exec(text);
  if (match === null) return { totals: text, skipped: { count: 0, first: [] } };
  const [, totals = '', count, list] = match;
  return { totals, skipped: { count: Number(count), first: parseWarnings(list) } };
}

/** Reads {@link formatTotals}; undefined when it is anything else. */
export function parseTotals(text: string): TransferTotals | undefined {
  const match = /^files=(\d{1,15}), bytes=(\d{1,15}), wire=(\d{1,15}), sha256=([0-9a-f]{64})$/.exec(
    text,
  );
  if (match === null) return undefined;
  const [, files, bytes, wire, sha256 = ''] = match;
  return { files: Number(files), bytes: Number(bytes), wireBytes: Number(wire), sha256 };
}

/** Reads the value of `Gomote-Compress`; undefined when it is not one. */
export const parseCompression = (text: string | undefined): Compression | undefined =>
  compressions.find((name) => name === text);
