// One reader of a session's log, until the closing record has been sent.
import type { ServerResponse } from 'node:http';
import { drained } from '../../http/server/reply.ts';
import { formatRecord, recordHeader } from '../../protocol/log-records.ts';
import type { Standstill } from '../../protocol/session.ts';
import { type Reader, Reading, type ReadingOptions } from './reading.ts';
import type { Session } from './session.ts';

interface ReaderOptions extends ReadingOptions {
  readonly name: string | undefined;
  readonly observes: boolean;
  readonly from: number;
  readonly stated: boolean;
  /** The heartbeat interval of each side, in ms. */
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
  const reading = new Reading(log, options.from, options);
  // In beats, not in time: a process that was held up has not read yet what came meanwhile.
  let silentBeats = 0;
  let lastSentAtMs = performance.now();
  let fellSilent = false;
  // A reader that connects later may have seen another state.
  let told: Standstill | undefined | null = options.from > 0 ? null : undefined;
  const reader: Reader = {
    name: options.name,
    observes: options.observes,
    get needsFrom() {
      return reading.needsFrom;
    },
    get isBehind() {
      return reading.isBehind;
    },
    heard: (acknowledged) => {
      silentBeats = 0;
      session.acknowledged = Math.max(session.acknowledged, reading.heard(acknowledged));
      session.balance();
      log.wake();
    },
  };
  const beat = setInterval(() => {
    if (reader.name !== undefined && ++silentBeats > silentPings) {
      fellSilent = true;
      response.destroy();
    } else if (reading.mustWait && performance.now() - lastSentAtMs > options.pingMs / 2) {
      response.write(ping);
    }
  }, options.pingMs);
  const wake = () => log.wake();
  response.once('close', wake);
  session.attach(reader);
  try {
    while (!response.destroyed) {
      const part = await reading.part();
      if (part !== undefined) {
        lastSentAtMs = performance.now();
        response.write(part);
        session.balance();
        if (response.writableNeedDrain) await drained(response);
      } else if (reading.isOver) break;
      else if (reading.mustWait) {
        const { standstill } = session.clock;
        if (options.stated && standstill !== told) {
          told = standstill;
          response.write(formatRecord('state', JSON.stringify({ standstill })));
        }
        await reading.change();
      }
    }
    response.end();
  } finally {
    clearInterval(beat);
    response.off('close', wake);
    session.release(reader, fellSilent);
  }
}
