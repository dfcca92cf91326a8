// The coordinator's log: one JSON object a line.

import { createWriteStream } from 'node:fs';

type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  /** What happened; `event` is a stable name. Never a secret. */
  write(event: string, fields?: LogFields): void;
}

interface ClosableLog extends Log {
  /** Resolves when everything is written. */
  close(): Promise<void>;
}

/** Writes lines by the function, with the time first. */
export function jsonLog(writeLine: (line: string) => void): Log {
  return {
    write: (event, fields = {}) =>
      writeLine(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`),
  };
}

/** Writes into another log, as events of its own: `audit-NAME`. */
export const auditIn = (log: Log): ClosableLog => ({
  write: (event, fields) => log.write(`audit-${event}`, fields),
  close: async () => undefined,
});

/** Appends to a file of its owner's alone; what cannot be written is reported to the other log. */
export function fileLog(path: string, trouble: Log): ClosableLog {
  const file = createWriteStream(path, { flags: 'a', mode: 0o600 });
  file.on('error', (error) => {
    trouble.write('trouble', { what: `cannot write ${path}: ${error.message}` });
  });
  return {
    ...jsonLog((line) => file.write(line)),
    close: () => new Promise((resolve) => file.end(() => resolve())),
  };
}
