// What can be done on the page: destroying and extending a buildlet, ending a run, leaving the queue, draining a machine.
import { readForm, sendEmpty, sendError, smallForm } from '../../http/server/reply.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import { withQuery } from '../../protocol/form.ts';
import { isSessionId } from '../../protocol/session.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Coordinator } from '../coordinator.ts';
import { extendSession, extensionIn } from '../http/handlers/list.ts';
import type { CoordinatorExchange, CoordinatorRoute } from '../http/server.ts';
import type { Log } from '../log.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { User } from '../state/user-records.ts';
import type { PageRoutes } from './page-routes.ts';
import { seenSession, sendNoBuildlet } from './seen-sessions.ts';

interface PageActionsParts {
  readonly coordinator: Coordinator;
  readonly book: SessionBook;
  readonly audit: Log;
}

/** How long a run has between TERM and KILL, and how long a machine may take to answer, in ms. */
const killAfterMs = 5_000;
const askTimeoutMs = 10_000;

interface Action extends Pick<CoordinatorExchange, 'response'> {
  readonly session: Session;
  readonly user: User;
  readonly form: URLSearchParams;
}

export function pageActions(parts: PageActionsParts, { act }: PageRoutes): CoordinatorRoute[] {
  const action = (path: string, work: (parts: PageActionsParts, action: Action) => Promise<void>) =>
    act(path, async (exchange, user) => {
      const { request, response, note } = exchange;
      const form = await readForm(request, smallForm);
      const session = seenSession(parts.book, user, form.get('name') ?? '');
      if (session === undefined) return sendNoBuildlet(exchange);
      note.buildlet = session.name;
      await work(parts, { response, session, user, form });
    });
  const { machines } = parts.coordinator;
  return [
    machineAction('/page/drain', (name, note, by) => machines.drain(name, note, by), act),
    machineAction('/page/undrain', (name, _, by) => machines.undrain(name, by), act),
    action('/page/destroy', destroy),
    action('/page/extend', extend),
    action('/page/cancel', cancel),
  ];
}

/** What admins do to a machine. */
function machineAction(
  path: string,
  work: (machine: string, note: string, by: string) => Promise<unknown>,
  act: PageRoutes['act'],
): CoordinatorRoute {
  return act(path, async ({ request, response }, user) => {
    const form = await readForm(request, smallForm);
    if (!user.isAdmin) return sendError(response, 403, 'that is for admins');
    await work(form.get('machine') ?? '', form.get('note') ?? '', user.name);
    sendEmpty(response);
  });
}

/** One that is being made is not made. Answers when it has begun: taking a machine back may take long. */
async function destroy(
  { coordinator, audit }: PageActionsParts,
  { response, session, user }: Action,
): Promise<void> {
  const { name, owner, state } = session;
  if (state === 'creating') {
    coordinator.admission.abandon(name);
    audit.write('cancel', { name, owner });
  } else {
    // What fails is logged, and tried again.
    coordinator.end(session, user).catch(() => undefined);
  }
  sendEmpty(response);
}

async function extend(
  { coordinator, audit }: PageActionsParts,
  { response, session, form }: Action,
): Promise<void> {
  await extendSession(coordinator, audit, session, extensionIn(form));
  sendEmpty(response);
}

/** Ends a run: TERM to its processes, and KILL to what is left of them. */
async function cancel(
  { coordinator, audit }: PageActionsParts,
  { response, session, form }: Action,
): Promise<void> {
  const run = form.get('run') ?? '';
  if (session.state !== 'running' || !isSessionId(run)) {
    return sendError(response, 404, 'there is no such run any more');
  }
  const { name, owner } = session;
  const { relay } = await coordinator.views.lookAt(session);
  const path = withQuery(endpoints.sessionSignal.path, {
    ...{ id: run, signal: 'SIGTERM', killAfterMs: String(killAfterMs) },
  });
  const reply = await relay.ask('POST', path, timeoutSignal(askTimeoutMs));
  reply.resume();
  if (reply.statusCode !== 200) return sendError(response, 409, 'this run has ended already');
  audit.write('cancel', { name, owner, run });
  sendEmpty(response);
}
