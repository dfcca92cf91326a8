// What both ends of a transfer tell each other beyond the base protocol: the compression, and what they counted.

/** How an archive is packed. `none` is gzip that stores its pieces, so that every reader of gzip reads it. */
export const compressions = ['gzip', 'zstd', 'none'] as const;
/** How bytes are packed on their way; `none`: without compression. */
export type Compression = (typeof compressions)[number];

/**
 * The request header that asks for `Gomote-Totals`; its value is how the archive is packed (upload) or should be
 * (download). A buildlet that cannot pack that way uses gzip.
 */
export const compressHeader = 'Gomote-Compress';

/** The header of an upload's reply, and the trailer of a download's: what the buildlet counted. */
export const totalsHeader = 'Gomote-Totals';

/**
 * A header of replies: what the sender of the request should know, a JSON list of texts, percent-encoded. A removal asks
 * for it with the same header, an upload with {@link compressHeader}.
 */
export const warningsHeader = 'Gomote-Warnings';

export const formatWarnings = (warnings: readonly string[]): string =>
  encodeURIComponent(JSON.stringify(warnings));

/** Reads {@link formatWarnings}; what is anything else is none. */
function parseWarnings(text: string | undefined): string[] {
  try {
    const list: unknown = JSON.parse(decodeURIComponent(text ?? '[]'));
    return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : [];
  } catch {
    return [];
  }
}

/** What a reply warns of. */
export function readWarnings(headers: Readonly<Record<string, unknown>>): string[] {
  const header = headers[warningsHeader.toLowerCase()];
  return parseWarnings(header === undefined ? undefined : String(header));
}

/** What passed, as one end counted it. */
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

/** As an end that does not know what is in the body counts it. */
export type TransferSummary = Pick<TransferTotals, 'wireBytes' | 'sha256'> & {
  files: number | undefined;
  bytes: number | undefined;
  /** What the buildlet remarks about it. */
  warnings?: readonly string[];
  /** What is not in it as it was, and why. */
  skipped?: Skipped;
};

export const formatTotals = ({ files, bytes, wireBytes, sha256 }: TransferTotals): string =>
  `files=${files}, bytes=${bytes}, wire=${wireBytes}, sha256=${sha256}`;

/** The parameter of a download that takes what cannot be read, or changes meanwhile, for no failure: it is named at the end. */
export const partialParameter = 'partial';

/** What a download left out or could not send as it is: how many, and the first few with the reasons. */
export interface Skipped {
  /** How many were left out. */
  readonly count: number;
  /** The first of them. */
  readonly first: readonly string[];
}

/** Goes on with {@link formatTotals}; nothing when nothing was skipped. */
export const formatSkipped = ({ count, first }: Skipped): string =>
  count === 0 ? '' : `, skipped=${count} ${encodeURIComponent(JSON.stringify(first))}`;

/** Takes {@link formatSkipped} off the end; `totals` is what came before it. */
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

/** Reads the value of `Gomote-Compress`; undefined when it is none. */
export const parseCompression = (text: string | undefined): Compression | undefined =>
  compressions.find((name) => name === text);
