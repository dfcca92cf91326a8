// POST /buildlet/create: creates a buildlet; on request, reports progress while it waits.
import { GomoteError } from '../../../errors.ts';
import { readForm, sendEmpty, sendText, smallForm } from '../../../http/server/reply.ts';
import { formatCreated, formatRecord, formatRecords } from '../../../protocol/coordinator.ts';
import { contentTypes, gomoteVersion } from '../../../protocol/endpoints.ts';
import { parseBool } from '../../../protocol/form.ts';
import {
  type Labels,
  labelsInText,
  parseWantedLabels,
  type WantedLabels,
} from '../../../protocol/labels.ts';
import { type Priority, priorities, toPriority } from '../../../protocol/priority.ts';
import { inSpan, parseTraceparent } from '../../../tracing.ts';
import type { Coordinator } from '../../coordinator.ts';
import type { Creation } from '../../sessions/creation.ts';
import type { Session } from '../../sessions/session.ts';
import type { Snapshots } from '../../snapshots/snapshots.ts';
import type { CoordinatorStore } from '../../store/coordinator-store.ts';
import { ProgressReply } from '../progress-reply.ts';
import type { CoordinatorHandler } from '../server.ts';
import { keptBy } from './snapshots.ts';

export function create(
  coordinator: Coordinator,
  {
    store,
    snapshots,
  }: { store?: CoordinatorStore | undefined; snapshots?: Snapshots | undefined } = {},
): CoordinatorHandler {
  return async (exchange, user) => {
    const form = await readForm(exchange.request, smallForm);
    const { builderType, count, labels, machineLabels, priority } = checked(form);
    const key = form.get('key') ?? undefined;
    if (parseBool(form.get('cancel')) && key !== undefined) {
      coordinator.admission.cancel(user, key);
      return sendEmpty(exchange.response);
    }
    const from = form.get('snapshot');
    const held = from === null ? undefined : keptBy(snapshots).holdImage(user, from);
    let creation: Creation;
    try {
      creation = coordinator.admission.create(user, builderType, {
        ...{ key, count: count ?? 1, labels, machineLabels, priority, image: held?.image },
      });
    } catch (error) {
      held?.release();
      throw error;
    }
    if (held !== undefined) creation.result.then(held.release, held.release);
    const progress = parseBool(form.get('progress')) ? new ProgressReply(exchange) : undefined;
    const leave = creation.join((step) => progress?.tell(step));
    exchange.signal.addEventListener('abort', leave, { once: true });
    try {
      const parent = parseTraceparent(String(exchange.request.headers.traceparent ?? ''));
      const attributes = { 'gomote.type': builderType, 'gomote.count': count ?? 1 };
      const sessions = await inSpan(
        'machine',
        { parent, isServer: true, attributes },
        () => creation.result,
      );
      const [first] = sessions;
      if (exchange.signal.aborted || first === undefined) return;
      exchange.note.buildlet = sessions.map(({ name }) => name).join(' ');
      // The buildlets belong to the client once the reply has been written to the connection.
      exchange.response.once('finish', () => {
        for (const { name } of sessions) coordinator.claim(name);
        for (const session of sessions) void prepare(coordinator, store, session);
      });
      if (progress !== undefined) {
        const builder = coordinator.catalogue.builders.find(
          ({ name }) => name === first.builderType,
        );
        progress.end(formatCreated(sessions, count !== undefined, builder));
      } else {
        const text = count === undefined ? formatRecord(first) : formatRecords(sessions);
        sendText(exchange.response, text, contentTypes.json);
      }
    } catch (error) {
      if (progress === undefined) throw error;
      progress.failed(error);
    } finally {
      exchange.response.once('close', leave);
      progress?.stop();
    }
  };
}

/** While the client gets ready, the machine may begin with what the user pushed last. */
async function prepare(
  coordinator: Coordinator,
  store: CoordinatorStore | undefined,
  session: Session,
): Promise<void> {
  try {
    await store?.prepare(session.owner, await coordinator.use(session));
  } catch {
    // The push sends everything.
  }
}

/** The maximum number of one request. */
const countLimit = 100;

/** The type and the count. Without a count, the reply has a single buildlet. */
function checked(form: URLSearchParams): {
  builderType: string;
  count: number | undefined;
  labels: Labels | undefined;
  machineLabels: WantedLabels;
  priority: Priority | undefined;
} {
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
  const count = form.get('count');
  const labels = checkedLabels(form.get('labels'));
  const machineLabels = parseWantedLabels(form.getAll('machineLabel'));
  if (machineLabels === undefined) {
    throw new GomoteError('ERR_REQUEST', "bad 'machineLabel' parameter: KEY=VALUE or KEY");
  }
  const hurry = form.get('priority');
  const priority = hurry === null ? undefined : toPriority(hurry);
  if (hurry !== null && priority === undefined) {
    throw new GomoteError('ERR_REQUEST', `bad 'priority' parameter: ${priorities.join(', ')}`);
  }
  const wanted = { builderType, labels, machineLabels, priority };
  if (count === null) return { ...wanted, count: undefined };
  if (/^[1-9][0-9]{0,2}$/.test(count) && Number(count) <= countLimit) {
    return { ...wanted, count: Number(count) };
  }
  throw new GomoteError('ERR_REQUEST', `bad 'count' parameter: a number from 1 to ${countLimit}`);
}

/** All labels, or ERR_REQUEST: none is dropped silently. */
function checkedLabels(text: string | null): Labels | undefined {
  if (text === null) return undefined;
  const labels = labelsInText(text);
  if (labels !== undefined && isEqual(labels, text)) return labels;
  throw new GomoteError('ERR_REQUEST', "bad 'labels' parameter: an object of keys and short texts");
}

const isEqual = (labels: Labels, text: string): boolean =>
  Object.keys(labels).length === Object.keys(JSON.parse(text)).length;
