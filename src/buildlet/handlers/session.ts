// POST /session starts a run that outlives its connection, GET /session reads its log; both send it as it grows.
import type { ServerResponse } from 'node:http';
import { messageOf } from '../../errors.ts';
import { readFormBody, sendError, sendText } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import {
  decodeSessionForm,
  isSessionId,
  logContentType,
  type SessionRequest,
  sessionHeader,
  wholeNumber,
} from '../../protocol/session.ts';
import { LineSearch } from '../runs/line-search.ts';
import { serveLog } from '../runs/reader.ts';
import type { Session } from '../runs/session.ts';
import type { SessionTable } from '../runs/table.ts';

export function session(table: SessionTable, pingMs: number): Handler {
  return async ({ request, response, query }) => {
    const id = query.get('id') ?? '';
    if (!isSessionId(id)) return sendError(response, 400, "bogus 'id' parameter", 'ERR_REQUEST');
    let from: number | undefined;
    let found: Session;
    if (request.method === 'POST') {
      const form = await readFormBody(request);
      const wanted = decodeSessionForm(form);
      if ('refused' in wanted) return sendError(response, 400, wanted.refused, 'ERR_REQUEST');
      const breaks = await breaksOf(wanted);
      if (breaks !== undefined && 'refused' in breaks)
        return sendError(response, 400, breaks.refused, 'ERR_REQUEST');
      found = table.start(id, form, wanted, breaks);
      if (wanted.detach) {
        // The reply tells a command that could not be started from one that runs.
        await found.begun;
        return sendText(response, JSON.stringify(found.info), contentTypes.json);
      }
      from = 0;
    } else {
      found = table.get(id);
      const text = query.get('from') ?? '0';
      const { log } = found;
      const offset = text === 'end' ? log.end : wholeNumber(text);
      if (offset === undefined)
        return sendError(response, 400, "bogus 'from' parameter", 'ERR_REQUEST');
      // Every reader of a finished log gets the closing record.
      from = await log.startOfRecord(Math.min(offset, log.isClosed ? log.end - 1 : log.end));
    }
    beginLog(response, id);
    await serveLog(found, response, {
      from,
      name: query.get('reader') ?? undefined,
      observes: query.get('observe') === '1',
      named: query.get('named') === '1',
      timed: query.get('times') === '1',
      stated: query.get('states') === '1',
      pingMs,
    });
  };
}

/** What stops the command, compiled; or why it cannot be. */
async function breaksOf({
  breakOn,
}: SessionRequest): Promise<LineSearch | { refused: string } | undefined> {
  if (breakOn === undefined) return undefined;
  const { compileGoPattern } = await import('../../go-pattern.ts');
  try {
    return new LineSearch(await compileGoPattern('break', breakOn));
  } catch (error) {
    return { refused: messageOf(error) };
  }
}

/**
 * The header is sent before any output, so that the client knows that the command was accepted. Its last field asks
 * proxies that know it (nginx) not to hold output back.
 */
function beginLog(response: ServerResponse, id: string): void {
  response.writeHead(200, {
    ...{ 'Content-Type': logContentType, [sessionHeader]: id, 'X-Accel-Buffering': 'no' },
  });
  response.flushHeaders();
}
