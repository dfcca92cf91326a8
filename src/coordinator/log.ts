// The coordinator's log: one JSON object a line.
import { createWriteStream } from 'node:fs';

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  /** Logs an event; `event` is a stable name. Never log a secret. */
  write(event: string, fields?: LogFields): void;
}

export interface ReopenedLog extends Log {
  /** Opens the file again, after the old one was moved. */
  reopen(): void;
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

/** Writes to both. */
export const both = (log: ReopenedLog, other: Log): ReopenedLog => ({
  write: (event, fields) => {
    log.write(event, fields);
    other.write(event, fields);
  },
  reopen: () => log.reopen(),
  close: () => log.close(),
});

/** Writes into another log, as events `audit-NAME`. */
export const auditIn = (log: Log): ReopenedLog => ({
  write: (event, fields) => log.write(`audit-${event}`, fields),
  reopen: () => undefined,
  close: async () => undefined,
});

/** Appends to a file with mode 0600. Failures are reported to the other log. */
export function fileLog(path: string, trouble: Log): ReopenedLog {
  const open = () =>
    createWriteStream(path, { flags: 'a', mode: 0o600 }).on('error', (error) => {
      trouble.write('trouble', { what: `cannot write ${path}: ${error.message}` });
    });
  let file = open();
  return {
    ...jsonLog((line) => file.write(line)),
    reopen: () => {
      file.end();
      file = open();
    },
    close: () => new Promise((resolve) => file.end(() => resolve())),
  };
}
