// The output of a run in browsers: live, as events, and as a file to keep.
import type { ServerResponse } from 'node:http';
import { messageOf } from '../../errors.ts';
import { drained, sendError } from '../../http/server/reply.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import { withQuery } from '../../protocol/form.ts';
import { isSessionId, wholeNumber } from '../../protocol/session.ts';
import { anySignal } from '../../timeout-signal.ts';
import type { Coordinator } from '../coordinator.ts';
import type { CoordinatorExchange, CoordinatorHandler } from '../http/server.ts';
import type { SessionBook } from '../state/session-book.ts';
import { eventHeaders, securityHeaders } from './page-reply.ts';
import type { Viewers } from './page-routes.ts';
import { logPieces } from './run-log.ts';
import { runningSession } from './seen-sessions.ts';

/** How soon a browser whose connection broke continues, in ms. */
const retryMs = 2_000;

/** Somewhere in the log a record may begin that much earlier, in bytes: what comes twice is left out by its offset. */
const longestRecordBytes = 1 << 20;

interface RunOutputParts {
  readonly coordinator: Coordinator;
  readonly book: SessionBook;
}

export class RunOutput {
  readonly #parts: RunOutputParts;
  readonly #viewers: Viewers;

  constructor(parts: RunOutputParts, viewers: Viewers) {
    this.#parts = parts;
    this.#viewers = viewers;
  }

  /** Events `out` with text, `gap` for what was dropped, and `end`; their ids say where to continue. */
  readonly live: CoordinatorHandler = async (exchange, user) => {
    const { request, response, query } = exchange;
    const resumed = parsePlace(request.headers['last-event-id'] ?? query.get('after'));
    const start = wholeNumber(query.get('from') ?? '0');
    if (start === undefined) return sendError(response, 400, "bogus 'from' parameter");
    const from = resumed === undefined ? start : Math.max(start, resumed.log - longestRecordBytes);
    const log = await this.#open(exchange, user, from);
    const end = () => response.destroy();
    if (log === undefined || !this.#viewers.admit(exchange, user.name, end)) return;
    response.writeHead(200, eventHeaders);
    response.write(`retry: ${retryMs}\n\n`);
    const streams = { out: new TextPart(resumed?.out ?? 0), err: new TextPart(resumed?.err ?? 0) };
    const tell = async (event: string, data: object, position: number) => {
      const { out, err } = streams;
      const id = `${position} ${out.shown} ${err.shown}`;
      response.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      if (response.writableNeedDrain) await drained(response);
    };
    try {
      for await (const piece of logPieces(log, from)) {
        if (response.destroyed) return;
        const { position } = piece;
        if (piece.kind === 'gap') {
          const lost = streams.out.skip(piece.out) + streams.err.skip(piece.err);
          await tell('gap', { lost }, position);
        } else if (piece.kind === 'end') {
          for (const s of ['out', 'err'] as const) {
            const text = streams[s].finish();
            if (text !== '') await tell('out', { s, text }, position);
          }
          const { code, signal, why, durationMs } = piece.end;
          await tell('end', { code, signal, why, durationMs }, position);
          return void response.end();
        } else {
          const text = streams[piece.kind].take(piece.offset, piece.bytes);
          if (text !== '') await tell('out', { s: piece.kind, at: piece.atMs, text }, position);
        }
      }
    } catch (error) {
      exchange.note.error = messageOf(error);
      response.end();
    } finally {
      log.destroy();
    }
  };

  /** All that there is of it: both streams as they came, or one. Cut, when it is not whole. */
  readonly file: CoordinatorHandler = async (exchange, user) => {
    const { response, query } = exchange;
    const stream = query.get('stream');
    const log = await this.#open(exchange, user, 0);
    const end = () => response.destroy();
    if (log === undefined || !this.#viewers.admit(exchange, user.name, end)) return;
    response.writeHead(200, {
      ...securityHeaders,
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'no-store, no-transform',
      'Content-Disposition': `attachment; filename="${query.get('run')}.log"`,
    });
    try {
      for await (const piece of logPieces(log, 0)) {
        if (response.destroyed) return;
        if (piece.kind === 'end') return void response.end();
        if (piece.kind === 'gap' || (stream !== null && stream !== piece.kind)) continue;
        // The memory of a piece may be used for the next.
        if (!response.write(Buffer.from(piece.bytes))) await drained(response);
      }
    } catch (error) {
      exchange.note.error = messageOf(error);
      response.destroy();
    } finally {
      log.destroy();
    }
  };

  async #open(
    exchange: CoordinatorExchange,
    user: Parameters<CoordinatorHandler>[1],
    from: number,
  ) {
    const { response, query, signal } = exchange;
    const id = query.get('run') ?? '';
    const { coordinator, book } = this.#parts;
    const session = runningSession(exchange, book, user);
    if (session === undefined) return undefined;
    if (!isSessionId(id)) return sendNone(response);
    const use = await coordinator.views.lookAt(session);
    const path = withQuery(endpoints.session.path, {
      ...{ id, from: String(from), observe: '1', times: '1' },
    });
    const log = await use.relay.ask('GET', path, anySignal(signal, use.signal));
    if (log.statusCode === 200) return log;
    log.destroy();
    return sendNone(response);
  }
}

const sendNone = (response: ServerResponse): undefined =>
  void sendError(response, 404, 'there is no such run any more');

/** `LOG OUT ERR`: where in the log, and in each stream, an event left off. */
function parsePlace(id: string | string[] | undefined | null) {
  const [, log, out, err] = /^([0-9]{1,15}) ([0-9]{1,15}) ([0-9]{1,15})$/.exec(String(id)) ?? [];
  return log === undefined ? undefined : { log: Number(log), out: Number(out), err: Number(err) };
}

/** One stream as text: each byte once, characters whole. */
class TextPart {
  /** How far it has been shown. */
  shown: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(shown: number) {
    this.shown = shown;
  }

  take(offset: number, bytes: Buffer): string {
    const next = this.shown + this.#rest.length;
    if (offset > next) this.skip(offset);
    const all = Buffer.concat([this.#rest, bytes.subarray(Math.max(0, next - offset))]);
    const whole = all.subarray(0, wholeLength(all));
    this.#rest = all.subarray(whole.length);
    this.shown += whole.length;
    return whole.toString();
  }

  /** What is left of a character that never became whole. */
  finish(): string {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    this.shown += rest.length;
    return rest.toString();
  }

  /** Goes on further on; gives how many bytes were left out. */
  skip(offset: number): number {
    const lost = Math.max(0, offset - this.shown);
    if (lost > 0) this.#rest = Buffer.alloc(0);
    this.shown = Math.max(this.shown, offset);
    return lost;
  }
}

/** How many bytes there are up to the end of the last whole character. */
function wholeLength(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 0;
    if (length > 0) return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
