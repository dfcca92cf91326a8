// GET /buildlet/list, /buildlet/types and POST /buildlet/extend.
import { parseDuration } from '../../../duration.ts';
import { GomoteError } from '../../../errors.ts';
import { readForm, sendText, smallForm } from '../../../http/server/reply.ts';
import { formatRecord, formatRecords, formatTypes } from '../../../protocol/coordinator.ts';
import { contentTypes } from '../../../protocol/endpoints.ts';
import { parseBool } from '../../../protocol/form.ts';
import type { Coordinator } from '../../coordinator.ts';
import type { Log } from '../../log.ts';
import type { Session } from '../../sessions/session.ts';
import type { CoordinatorHandler } from '../server.ts';

/** With `health=1` also the health of each; with `all=1`, for admins, everybody's buildlets. */
export function list(coordinator: Coordinator): CoordinatorHandler {
  return async ({ response, query }, user) => {
    const all = parseBool(query.get('all'));
    const sessions = await coordinator.list(user, all);
    if (!parseBool(query.get('health'))) {
      return sendText(
        response,
        formatRecords(sessions.filter(({ state }) => state === 'running')),
        contentTypes.json,
      );
    }
    const withHealth = formatRecords(sessions, (session) => ({
      Health: coordinator.views.healthOf(session.name),
      Reason: coordinator.views.troubleOf(session),
      ...(all && user.isAdmin && { Machine: session.machine }),
    }));
    sendText(response, withHealth, contentTypes.json);
  };
}

/**
 * With `sign-in=1`, a user is setting up a client with a token.
 *
 * @param features Those that its configuration gives.
 */
export function types(
  coordinator: Coordinator,
  audit: Log,
  features: readonly string[],
): CoordinatorHandler {
  return ({ response, query }, user) => {
    if (parseBool(query.get('sign-in'))) audit.write('sign-in', { by: user.name });
    const { hosts, builders } = coordinator.catalogue;
    const about = { ...user, ...coordinator.admission.useOf(user) };
    sendText(response, formatTypes(hosts, builders, about, features), contentTypes.json);
  };
}

export function extend(coordinator: Coordinator, audit: Log): CoordinatorHandler {
  return async ({ request, response }, user) => {
    const form = await readForm(request, smallForm);
    const byMs = extensionIn(form);
    const session = await coordinator.find(user, form.get('name') ?? '');
    const extended = await extendSession(coordinator, audit, session, byMs);
    sendText(response, formatRecord(extended), contentTypes.json);
  };
}

/** By how much the form extends a session. */
export function extensionIn(form: URLSearchParams): number {
  const byMs = parseDuration('duration', form.get('duration') ?? '');
  if (byMs === 0) throw new GomoteError('ERR_REQUEST', 'a duration is more than 0');
  return byMs;
}

export async function extendSession(
  coordinator: Coordinator,
  audit: Log,
  session: Session,
  byMs: number,
): Promise<Session> {
  const extended = await coordinator.extend(session, byMs);
  const { name, owner, expiresMs } = extended;
  audit.write('extend', { name, owner, byMs, expires: new Date(expiresMs).toISOString() });
  return extended;
}
