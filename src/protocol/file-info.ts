// What `GET /file` says of the file before its content, in the header `Gomote-File`.

export const fileInfoHeader = 'Gomote-File';

export interface FileInfo {
  /** Permission bits. */
  mode: number;
  sizeBytes: number;
  mtimeMs: number;
  /** A version that changes with the file, so that a later request can continue in the same version. */
  version: string;
}

export const formatFileInfo = ({ mode, sizeBytes, mtimeMs, version }: FileInfo): string =>
  `mode=${mode}, size=${sizeBytes}, mtime=${mtimeMs}, version=${version}`;

/** Reads {@link formatFileInfo}; undefined when it is anything else. */
export function parseFileInfo(text: string): FileInfo | undefined {
  const match =
    /^mode=(\d{1,6}), size=(\d{1,15}), mtime=(-?\d{1,15}(?:\.\d{1,15})?), version=([\w.-]{1,200})$/.exec(
      text,
    );
  if (match === null) return undefined;
  const [, mode, size, mtime, version = ''] = match;
  return { mode: Number(mode), sizeBytes: Number(size), mtimeMs: Number(mtime), version };
}
