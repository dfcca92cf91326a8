// Records file transfers to and from buildlets in the audit trail.
import { messageOf } from '../../errors.ts';
import type { RelayRecord } from '../../http/relay/proxy.ts';
import { printable } from '../../printable.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import type { Log } from '../log.ts';
import type { Session } from '../sessions/session.ts';

const { write, file, putTar, getTar, treeApply, treeRead } = endpoints;

const directions: ReadonlyMap<string, 'put' | 'get'> = new Map([
  [`PUT ${write.path}`, 'put'],
  [`PUT ${file.path}`, 'put'],
  [`GET ${file.path}`, 'get'],
  [`PUT ${putTar.path}`, 'put'],
  [`POST ${putTar.path}`, 'put'],
  [`GET ${getTar.path}`, 'get'],
  [`PUT ${treeApply.path}`, 'put'],
  [`POST ${treeRead.path}`, 'get'],
]);

const pathLimit = 500;

interface TransferOver {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly session: Session;
  readonly record: RelayRecord;
  readonly failure: unknown;
  /** Whether file names are recorded. */
  readonly withNames: boolean;
}

/** Writes a row, if the request was a transfer. */
export function auditTransfer(log: Log, over: TransferOver): void {
  const { method, path, query, session, record, failure, withNames } = over;
  const direction = directions.get(`${method} ${path}`);
  if (direction === undefined) return;
  const { name, owner, machine } = session;
  const target = query.get('path') ?? query.get('dir') ?? '';
  const outcome = failure === undefined ? `status ${record.status}` : messageOf(failure);
  log.write('transfer', {
    ...{ name, owner, machine, direction, endpoint: path },
    ...(withNames && { path: printable(target.slice(0, pathLimit)) }),
    bytes: direction === 'put' ? record.requestBytes : record.replyBytes,
    outcome: record.status === 0 && failure === undefined ? 'the client left' : outcome,
  });
}
