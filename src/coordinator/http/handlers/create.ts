// POST /buildlet/create: creates a buildlet; on request, reports progress while it waits.
import type { Catalogue } from '../../../builders.ts';
import { GomoteError } from '../../../errors.ts';
import { readFormBody, sendEmpty, sendText, smallForm } from '../../../http/server/reply.ts';
import {
  formatCreated,
  formatFailed,
  formatProgress,
  formatRecord,
} from '../../../protocol/coordinator.ts';
import { contentTypes, gomoteVersion } from '../../../protocol/endpoints.ts';
import { errorReply } from '../../../protocol/error-reply.ts';
import { decodeForm, parseBool } from '../../../protocol/form.ts';
import type { Coordinator } from '../../coordinator.ts';
import type { Session } from '../../sessions/session.ts';
import type { CoordinatorExchange, CoordinatorHandler } from '../server.ts';

/** How often a create that tells its progress says that it still waits, in ms: a silent connection may be cut. */
const reminderMs = 10_000;

export function create(coordinator: Coordinator): CoordinatorHandler {
  return async (exchange, user) => {
    const form = decodeForm(await readFormBody(exchange.request, smallForm));
    const builderType = checked(form);
    const key = form.get('key') ?? undefined;
    if (parseBool(form.get('cancel')) && key !== undefined) {
      coordinator.cancel(user, key);
      return sendEmpty(exchange.response);
    }
    const creation = coordinator.create(user, builderType, key);
    const progress = parseBool(form.get('progress')) ? new ProgressReply(exchange) : undefined;
    const leave = creation.join((step) => progress?.tell(step));
    exchange.signal.addEventListener('abort', leave, { once: true });
    try {
      const session = await creation.result;
      exchange.note.buildlet = session.name;
      if (exchange.signal.aborted) return;
      // Word of it that reached the client's side of the wire is what makes the buildlet the client's.
      exchange.response.once('finish', () => coordinator.claim(session.name));
      if (progress === undefined) {
        sendText(exchange.response, formatRecord(session), contentTypes.json);
      } else progress.created(session, coordinator.catalogue);
    } catch (error) {
      if (progress === undefined) throw error;
      progress.failed(error);
    } finally {
      exchange.response.once('close', leave);
      progress?.stop();
    }
  };
}

function checked(form: URLSearchParams): string {
  const version = form.get('version') ?? '';
  if (version < gomoteVersion) {
    const said = `gomote client version "${version}" is too old; predates server version "${gomoteVersion}"`;
    throw new GomoteError('ERR_REQUEST', said);
  }
  const builderType = form.get('builderType') ?? '';
  if (builderType === '') throw new GomoteError('ERR_REQUEST', "missing 'builderType' parameter");
  const key = form.get('key');
  if (key !== null && !/^[\w-]{16,64}$/.test(key)) {
    throw new GomoteError('ERR_REQUEST', "bad 'key' parameter: 16 to 64 of a-z, A-Z, 0-9, _ and -");
  }
  return builderType;
}

/** A reply of JSON lines: steps, then the buildlet or the error. */
class ProgressReply {
  readonly #exchange: CoordinatorExchange;
  readonly #timer: NodeJS.Timeout;
  #last = formatProgress('waiting');

  constructor(exchange: CoordinatorExchange) {
    this.#exchange = exchange;
    exchange.response.writeHead(200, { 'Content-Type': contentTypes.jsonLines });
    exchange.response.flushHeaders();
    this.#timer = setInterval(() => exchange.response.write(this.#last), reminderMs);
  }

  tell(step: string): void {
    this.#last = formatProgress(step);
    this.#exchange.response.write(this.#last);
  }

  created(session: Session, { builders }: Catalogue): void {
    const builder = builders.find(({ name }) => name === session.builderType);
    this.#exchange.response.end(formatCreated(session, builder));
  }

  failed(error: unknown): void {
    const reply = errorReply(error);
    this.#exchange.note.error = reply.text;
    this.#exchange.response.end(formatFailed(reply));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
