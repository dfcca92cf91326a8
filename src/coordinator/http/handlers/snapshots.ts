// The requests below /snapshot/: what is in the work directories of buildlets, kept for later ones.
import { defaultLimitBytes } from '../../../backends/snapshots/archives.ts';
import { GomoteError } from '../../../errors.ts';
import { readForm, sendEmpty, sendText, smallForm } from '../../../http/server/reply.ts';
import { contentTypes, coordinatorPaths } from '../../../protocol/endpoints.ts';
import { parseBool } from '../../../protocol/form.ts';
import { normalizeRelativePath } from '../../../protocol/relative-path.ts';
import {
  checkTag,
  formatSnapshot,
  formatSnapshotLine,
  formatSnapshots,
  type Snapshot,
} from '../../../protocol/snapshot.ts';
import { anySignal } from '../../../timeout-signal.ts';
import type { Coordinator } from '../../coordinator.ts';
import type { NewSnapshot, Snapshots } from '../../snapshots/snapshots.ts';
import type { User } from '../../state/user-records.ts';
import { ProgressReply } from '../progress-reply.ts';
import {
  type CoordinatorExchange,
  type CoordinatorHandler,
  type CoordinatorRoute,
  route,
} from '../server.ts';

const { snapshotCreate, snapshotList, snapshotRemove, snapshotRestore, snapshotShare } =
  coordinatorPaths;

/** Throws ERR_UNSUPPORTED where none are kept. */
export function keptBy(snapshots: Snapshots | undefined): Snapshots {
  if (snapshots !== undefined) return snapshots;
  throw new GomoteError('ERR_UNSUPPORTED', 'this coordinator keeps no snapshots');
}

/** Absent snapshots: requests for them are refused. */
export function snapshotRoutes(
  coordinator: Coordinator,
  snapshots: Snapshots | undefined,
): CoordinatorRoute[] {
  const kept = () => keptBy(snapshots);
  const onMachine =
    (work: (exchange: MachineWork) => Promise<Snapshot>): CoordinatorHandler =>
    async (exchange, user) => {
      const form = await readForm(exchange.request, smallForm);
      await withMachine(coordinator, exchange, { user, form }, work);
    };
  return [
    route('GET', snapshotList, 'user', ({ response, query }, user) => {
      const all = kept().list(user, parseBool(query.get('all')));
      sendText(response, formatSnapshots(all), contentTypes.json);
    }),
    route(
      'POST',
      snapshotCreate,
      'user',
      onMachine((work) => kept().create(work, wantedOf(work.form))),
    ),
    route(
      'POST',
      snapshotRestore,
      'user',
      onMachine((work) => kept().restore(work, work.form.get('tag') ?? '')),
    ),
    route('POST', snapshotShare, 'user', async ({ request, response }, user) => {
      const form = await readForm(request, smallForm);
      const isShared = parseBool(form.get('shared') ?? '1');
      const changed = await kept().share(user, form.get('tag') ?? '', isShared);
      sendText(response, formatSnapshot(changed), contentTypes.json);
    }),
    route('POST', snapshotRemove, 'user', async ({ request, response }, user) => {
      await kept().remove(user, (await readForm(request, smallForm)).get('tag') ?? '');
      sendEmpty(response);
    }),
  ];
}

type MachineWork = Parameters<Snapshots['create']>[0] & { readonly form: URLSearchParams };

/** Work on the machine of the buildlet that the form names; the client's leaving ends it. */
async function withMachine(
  coordinator: Coordinator,
  exchange: CoordinatorExchange,
  { user, form }: { readonly user: User; readonly form: URLSearchParams },
  work: (work: MachineWork) => Promise<Snapshot>,
): Promise<void> {
  const session = await coordinator.find(user, form.get('name') ?? '');
  exchange.note.buildlet = session.name;
  const link = await coordinator.use(session);
  const signal = anySignal(exchange.signal, link.signal);
  const { method = 'POST', url: path = '' } = exchange.request;
  const isImage = form.get('kind') === 'image';
  const wake = isImage ? link.rest() : undefined;
  const over = link.begin({
    ...{ method, path, sinceMs: Date.now(), run: undefined, command: undefined },
  });
  const reply = new ProgressReply(exchange, () =>
    isImage ? 'an image of the machine' : 'archives of the work directory',
  );
  let failure: unknown;
  try {
    const done = await work({ user, session, client: link.client, signal, form });
    reply.end(formatSnapshotLine(done));
  } catch (error) {
    failure = error;
    reply.failed(error);
  } finally {
    reply.stop();
    wake?.();
    over(false);
    coordinator.used(session, failure);
  }
}

function kindOf(kind: string | null): NewSnapshot['kind'] {
  if (kind === null || kind === 'files') return 'files';
  if (kind === 'image') return kind;
  throw new GomoteError('ERR_REQUEST', "bad 'kind' parameter: files or image");
}

function wantedOf(form: URLSearchParams): NewSnapshot {
  const tag = form.get('tag') ?? '';
  checkTag(tag);
  const exclude = form.getAll('exclude').map((path) => {
    const plain = normalizeRelativePath(path);
    if (plain !== undefined && plain !== '.') return plain;
    throw new GomoteError('ERR_REQUEST', "bad 'exclude' parameter: a path in the work directory");
  });
  const most = form.get('max');
  if (most !== null && !/^[1-9][0-9]{0,15}$/.test(most)) {
    throw new GomoteError('ERR_REQUEST', "bad 'max' parameter: a number of bytes");
  }
  const maxBytes = most === null ? defaultLimitBytes : Number(most);
  const isShared = parseBool(form.get('shared'));
  const isAutomatic = parseBool(form.get('automatic'));
  return { tag, kind: kindOf(form.get('kind')), exclude, maxBytes, isShared, isAutomatic };
}
