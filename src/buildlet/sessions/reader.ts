// One reader of a session's log, live until the closing record has gone out.
import type { ServerResponse } from 'node:http';
import { drained } from '../../http/reply.ts';
import { recordHeader } from '../../protocol/log-records.ts';
import type { Session } from './session.ts';

export interface Reader {
  /** Given by a client that will be heard from, and is taken for dead when it is not. */
  readonly name: string | undefined;
  /** Whether it neither slows the session nor keeps it alive. */
  readonly observes: boolean;
  /** The log's offset of what it gets next. */
  readonly next: number;
  /** It was heard from, and has the log up to there. */
  heard(acknowledged: number): void;
}

export interface ReaderOptions {
  readonly name: string | undefined;
  readonly observes: boolean;
  readonly from: number;
  /** How often each side is heard from, in ms. */
  readonly pingMs: number;
}

/** How many ping intervals a reader may be silent. */
const silentPings = 3;

/** Sends the log from `from` to its end. */
export async function serveLog(
  session: Session,
  response: ServerResponse,
  options: ReaderOptions,
): Promise<void> {
  const { log } = session;
  const ping = recordHeader('ping', 0, 0);
  let next = options.from;
  let lastHeardMs = performance.now();
  let lastSentMs = lastHeardMs;
  let fellSilent = false;
  const reader: Reader = {
    name: options.name,
    observes: options.observes,
    get next() {
      return next;
    },
    heard: (acknowledged) => {
      lastHeardMs = performance.now();
      session.acknowledged = Math.max(session.acknowledged, Math.min(acknowledged, next));
    },
  };
  const beat = setInterval(() => {
    const nowMs = performance.now();
    if (reader.name !== undefined && nowMs - lastHeardMs > options.pingMs * silentPings) {
      fellSilent = true;
      response.destroy();
    } else if (next === log.end && nowMs - lastSentMs > options.pingMs / 2) {
      response.write(ping);
    }
  }, options.pingMs);
  const wake = () => log.wake();
  response.once('close', wake);
  session.attach(reader);
  try {
    while (!response.destroyed) {
      const part = await log.read(next);
      if (part !== undefined) {
        next = part.next;
        lastSentMs = performance.now();
        response.write(part.bytes, part.release);
        session.balance();
        if (response.writableNeedDrain) await drained(response);
      } else if (log.isClosed && next >= log.end) {
        break;
      } else if (next === log.end) {
        await log.changed();
      }
    }
    response.end();
  } finally {
    clearInterval(beat);
    response.off('close', wake);
    session.release(reader, fellSilent);
  }
}
