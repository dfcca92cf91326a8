// Requests about a session besides its output: input, signals, the size of its terminal, heartbeats.
import { sendEmpty, sendError, sendText } from '../../http/server/reply.ts';
import type { Exchange, Handler } from '../../http/server/server.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import { parseTerminalSize, wholeNumber } from '../../protocol/session.ts';
import { signalByName } from '../../protocol/signals.ts';
import type { Session } from '../runs/session.ts';
import type { SessionTable } from '../runs/table.ts';

/** With `running=1`, only those that are still running. */
export function listSessions(table: SessionTable): Handler {
  return ({ response, query }) => {
    const onlyRunning = query.get('running') === '1';
    const wanted = query.get('id');
    const listed = table
      .list()
      .filter(({ id, running }) => (running || !onlyRunning) && (wanted ?? id) === id);
    sendText(response, JSON.stringify(listed), contentTypes.json);
  };
}

/** A handler about one session; throws ERR_UNKNOWN_SESSION. */
const about =
  (
    table: SessionTable,
    handle: (session: Session, exchange: Exchange) => Promise<void> | void,
  ): Handler =>
  (exchange) =>
    handle(table.get(exchange.query.get('id') ?? ''), exchange);

export const sessionInput = (table: SessionTable): Handler =>
  about(table, async (session, { request, response, query }) => {
    const offset = query.get('offset');
    const part = {
      offset: offset === null ? undefined : wholeNumber(offset),
      end: query.get('end') === '1',
    };
    if (offset !== null && part.offset === undefined) {
      return sendError(response, 400, "bogus 'offset' parameter", 'ERR_REQUEST');
    }
    const input = await session.input();
    await input.take(request.iterator({ destroyOnReturn: false }), part);
    const reply = { offset: input.taken, closed: input.isClosed };
    sendText(response, JSON.stringify(reply), contentTypes.json);
  });

export const sessionSignal = (table: SessionTable): Handler =>
  about(table, async (session, { response, query }) => {
    const given = query.get('signal') ?? '';
    const signal = signalByName(given.startsWith('SIG') ? given : `SIG${given}`);
    const killAfter = query.get('killAfterMs');
    const killAfterMs = killAfter === null ? undefined : wholeNumber(killAfter);
    if (signal === undefined)
      return sendError(response, 400, `no signal "${given}"`, 'ERR_REQUEST');
    if (killAfter !== null && killAfterMs === undefined) {
      return sendError(response, 400, "bogus 'killAfterMs' parameter", 'ERR_REQUEST');
    }
    await session.signal(signal.name as NodeJS.Signals, killAfterMs);
    sendEmpty(response);
  });

export const sessionResize = (table: SessionTable): Handler =>
  about(table, async (session, { response, query }) => {
    const size = parseTerminalSize(query);
    if (size === undefined) {
      return sendError(response, 400, "bogus 'columns' or 'rows' parameter", 'ERR_REQUEST');
    }
    await session.resize(size.columns, size.rows);
    sendEmpty(response);
  });

export const sessionPing = (table: SessionTable): Handler =>
  about(table, (session, { response, query }) => {
    const name = query.get('reader') ?? '';
    const reader = session.reader(name);
    if (reader === undefined) return sendError(response, 410, `no reader "${name}"`);
    reader.heard(wholeNumber(query.get('ack') ?? '') ?? 0);
    sendEmpty(response);
  });

export const sessionDetach = (table: SessionTable): Handler =>
  about(table, (session, { response }) => {
    session.detach();
    sendEmpty(response);
  });
