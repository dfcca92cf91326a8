// The coordinator's words for machines: one JSON object a line.

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  /** What happened; `event` is a stable name. Never a secret. */
  write(event: string, fields?: LogFields): void;
}

/** Writes lines by the function, with the time first. */
export function jsonLog(writeLine: (line: string) => void): Log {
  return {
    write: (event, fields = {}) =>
      writeLine(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`),
  };
}
