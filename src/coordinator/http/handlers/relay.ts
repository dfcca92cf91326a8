// Relays requests that name a buildlet, and streams the replies; POST /halt ends the buildlet.
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isGomoteError, messageOf } from '../../../errors.ts';
import { oldVersionText } from '../../../http/client/proxy-reply.ts';
import { newRelayRecord } from '../../../http/relay/proxy.ts';
import { sendEmpty, sendError } from '../../../http/server/reply.ts';
import { splitTarget } from '../../../http/server/server.ts';
import { noUpgradeText } from '../../../http/server/upgrades.ts';
import { quoted } from '../../../printable.ts';
import { endpoints, replyIdHeader } from '../../../protocol/endpoints.ts';
import { forwardUpgrade, listeningHeader } from '../../../protocol/forward.ts';
import { anySignal } from '../../../timeout-signal.ts';
import { inSpan, parseTraceparent } from '../../../tracing.ts';
import type { Coordinator } from '../../coordinator.ts';
import type { Session } from '../../sessions/session.ts';
import type { User } from '../../state/user-records.ts';
import type { CoordinatorStore } from '../../store/coordinator-store.ts';
import type { Followers } from '../followers.ts';
import { auditTransfer, type CommandAudit, commandPeek } from '../relay-audit.ts';
import type { CoordinatorExchange } from '../server.ts';
import { HeldSessions } from './held-sessions.ts';

/** How long a halt waits for the machine to be released before it replies, in ms; the release continues. */
const haltWaitMs = 30_000;

const noRef = { ref: false };

export function relay(
  coordinator: Coordinator,
  audit: CommandAudit,
  options: {
    readonly forward: boolean;
    readonly followers: Followers;
    /** Absent: there is none. */
    readonly store?: CoordinatorStore | undefined;
  },
) {
  const held = new HeldSessions(coordinator);
  return async (exchange: CoordinatorExchange, user: User, name: string): Promise<void> => {
    const { request, response } = exchange;
    const session = await coordinator.find(user, name);
    const { path, query } = splitTarget(request.url ?? '');
    if (!isPlain(path)) return sendError(response, 400, `bad path ${quoted(path)}`);
    if (path === endpoints.halt.path && request.method === 'POST') {
      await Promise.race([coordinator.end(session, user), sleep(haltWaitMs, undefined, noRef)]);
      return sendEmpty(response);
    }
    if (path === endpoints.hold.path && request.method === 'POST') {
      return await held.serve({ ...exchange, query }, session, user);
    }
    if (request.httpVersion === '1.0' && needsNewer(path, request.headers)) {
      return sendError(response, 400, oldVersionText);
    }
    const isForward = path === endpoints.forward.path;
    const isOfPorts = isForward || path === endpoints.forwardPorts.path;
    if (isOfPorts && !options.forward) {
      return sendError(response, 501, 'this coordinator forwards no ports', 'ERR_UNSUPPORTED');
    }
    if (isForward && exchange.upgrade === undefined) {
      return sendError(response, 426, noUpgradeText, 'ERR_REQUEST');
    }
    if (exchange.upgrade !== undefined && !isForward) {
      return sendError(response, 400, 'nothing to upgrade to here', 'ERR_REQUEST');
    }
    const { followers, store } = options;
    if (store !== undefined && path === endpoints.treeStored.path && request.method === 'POST') {
      return await store.answer(user.name, query, exchange);
    }
    const parent = parseTraceparent(String(request.headers.traceparent ?? ''));
    const attributes = { 'gomote.buildlet': session.name, 'http.request.method': request.method };
    await inSpan('relay', { parent, isServer: true, attributes }, async (set) => {
      set({ 'url.path': path });
      await pass({ coordinator, audit, followers, store, user }, exchange, session, {
        path,
        query,
      });
      set({ 'http.response.status_code': response.statusCode });
    });
  };
}

/** Chunks, and the trailer of a command, if the client cannot ask for it later. */
const needsNewer = (path: string, headers: IncomingHttpHeaders): boolean =>
  headers['transfer-encoding'] !== undefined ||
  (path === endpoints.exec.path && headers[replyIdHeader.toLowerCase()] === undefined);

/**
 * Whether the path is unambiguous: a path that this coordinator does not treat as a halt or a command
 * must not be treated as one by the machine.
 */
const isPlain = (path: string): boolean => path === '/' || /^(?:\/[\w-]+)+$/.test(path);

const forwarding = { protocol: forwardUpgrade, passed: [listeningHeader] };

interface RelayContext {
  readonly coordinator: Coordinator;
  readonly audit: CommandAudit;
  readonly followers: Followers;
  readonly store: CoordinatorStore | undefined;
  readonly user: User;
}

async function pass(
  { coordinator, audit, followers, store, user }: RelayContext,
  exchange: CoordinatorExchange,
  session: Session,
  { path, query }: { path: string; query: URLSearchParams },
): Promise<void> {
  const { request, response, upgrade, signal, note, id } = exchange;
  const { method = '' } = request;
  const run = query.get('id') ?? undefined;
  const startedAtMs = Date.now();
  const command = commandPeek(method, path);
  const record = newRelayRecord(command?.peek);
  // The request's line in the log is written as soon as the reply is out.
  for (const name of ['requestBytes', 'replyBytes'] as const) {
    Object.defineProperty(note, name, { enumerable: true, get: () => record[name] });
  }
  let failure: unknown;
  let followed: ReturnType<Followers['begin']> | undefined;
  let over: ((leavesRun: boolean) => void) | undefined;
  try {
    const link = await coordinator.use(session);
    over = link.begin({
      method,
      path,
      sinceMs: startedAtMs,
      run,
      get command() {
        return command?.text(audit.withArguments);
      },
    });
    if (upgrade !== undefined) {
      await link.relay.passUpgrade({ request, response, upgrade }, forwarding, link.signal, record);
      return;
    }
    const follower =
      path === endpoints.session.path ? followers.begin(() => record.status === 200) : undefined;
    followed = follower;
    const ends = [signal, link.signal, ...(follower === undefined ? [] : [follower.signal])];
    const either = anySignal(...ends);
    const change =
      path === endpoints.treeState.path
        ? await store?.announced(user.name)
        : path === endpoints.treeApply.path
          ? await store?.filled(user.name, query, exchange, link.relay)
          : undefined;
    await link.relay.pass(request, response, either, record, change);
  } catch (error) {
    if (signal.aborted || followed?.signal.aborted) return;
    failure = error;
    note.error = messageOf(error);
    const code = isGomoteError(error, 'ERR_BUILDLET_DIED') ? error.code : undefined;
    sendError(
      response,
      502,
      explain(error, session, id, coordinator.views.troubleOf(session)),
      code,
    );
  } finally {
    followed?.over();
    const isLeft = signal.aborted || followed?.signal.aborted || command?.isDetached === true;
    over?.(path === endpoints.session.path && isLeft);
    coordinator.used(session, failure);
    command?.ended(audit, { session, user, record, failure, startedAtMs, run });
    const withNames = audit.withArguments;
    auditTransfer(audit.log, { method, path, query, session, record, failure, withNames });
  }
}

/** Names the hop that failed, the buildlet, and what to do next, in one line. */
function explain(
  error: unknown,
  { name, machine = '' }: Session,
  id: string,
  trouble: string | undefined,
): string {
  if (isGomoteError(error, 'ERR_BUILDLET_DIED'))
    return `${messageOf(error)} (request ${id}); make another`;
  const hop = `coordinator: no reply from the buildlet "${name}" (machine ${machine})`;
  const forHow = trouble === undefined ? '' : `; ${trouble}`;
  return `${hop}: ${messageOf(error)}${forHow} (request ${id}); see gomote list for its health, then try again`;
}
