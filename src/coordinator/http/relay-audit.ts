// Extracts from relayed requests which commands run on whose buildlet, and which files are transferred, for the audit trail and the
// status page.
import { messageOf } from '../../errors.ts';
import type { RelayRecord } from '../../http/relay/proxy.ts';
import { printable } from '../../printable.ts';
import { endpoints, processStateTrailer } from '../../protocol/endpoints.ts';
import { decodeForm, parseBool } from '../../protocol/form.ts';
import { parseProcessState } from '../../protocol/process-state.ts';
import type { Log } from '../log.ts';
import type { Session } from '../sessions/session.ts';
import type { User } from '../state/user-records.ts';
import type { RunAudit } from './run-audit.ts';

export interface CommandAudit {
  readonly log: Log;
  readonly runs: RunAudit;
  /** Whether arguments are recorded: they may be confidential. */
  readonly withArguments: boolean;
}

interface CommandEnd {
  readonly session: Session;
  readonly user: User;
  readonly record: RelayRecord;
  readonly failure: unknown;
  readonly startedAtMs: number;
  /** The run that it started, about which the machine can be asked. */
  readonly run: string | undefined;
}

interface CommandPeek {
  readonly peek: (piece: Buffer) => void;
  /** The command, as far as it is known. */
  text(withArguments: boolean): string;
  /** Whether it continues without the request once it was started. */
  readonly isDetached: boolean;
  /** Records the command, and how it ended as far as the reply shows. */
  ended(audit: CommandAudit, end: CommandEnd): void;
}

/** How much of a form is parsed, in bytes, and how much of a command or a path is recorded, in characters. */
const peekLimitBytes = 16 << 10;
const textLimit = 500;

const starts: readonly string[] = [endpoints.exec.path, endpoints.session.path];

/** The observer for a request that starts a command; undefined for other requests. */
export function commandPeek(method: string, path: string): CommandPeek | undefined {
  if (method !== 'POST' || !starts.includes(path)) return undefined;
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  const seen = () => decodeForm(Buffer.concat(pieces).toString());
  const text = (withArguments: boolean): string => {
    const form = seen();
    const words = [form.get('cmd') ?? '', ...(withArguments ? form.getAll('cmdArg') : [])];
    return words.join(' ').slice(0, textLimit);
  };
  return {
    text,
    get isDetached() {
      return parseBool(seen().get('detach'));
    },
    peek: (piece) => {
      if (sizeBytes < peekLimitBytes) pieces.push(piece.subarray(0, peekLimitBytes - sizeBytes));
      sizeBytes += piece.length;
    },
    ended: ({ log, runs, withArguments }, { session, user, record, failure, startedAtMs, run }) => {
      const fields = {
        name: session.name,
        owner: session.owner,
        by: user.name,
        machine: session.machine,
        command: text(withArguments),
      };
      const mayRun = path === endpoints.session.path && run !== undefined;
      if (mayRun && (record.status === 200 || record.status === 0)) {
        void runs.over({ session, run, fields });
        return;
      }
      const outcome = failure === undefined ? outcomeOf(record) : messageOf(failure);
      const ended = parseProcessState(outcome);
      const code = ended?.kind === 'exited' ? ended.exitCode : undefined;
      const signal = ended?.kind === 'signaled' ? ended.signal : undefined;
      const durationMs = Date.now() - startedAtMs;
      log.write('exec', { ...fields, run, outcome, code, signal, durationMs });
    },
  };
}

function outcomeOf({ status, trailers }: RelayRecord): string {
  const at = trailers.findIndex((name) => name.toLowerCase() === processStateTrailer.toLowerCase());
  if (at >= 0) return trailers[at + 1] ?? '';
  return status === 0 ? 'the client left' : `status ${status}`;
}

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

interface TransferEnd {
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
export function auditTransfer(log: Log, end: TransferEnd): void {
  const { method, path, query, session, record, failure, withNames } = end;
  const direction = directions.get(`${method} ${path}`);
  if (direction === undefined) return;
  const { name, owner, machine } = session;
  const target = query.get('path') ?? query.get('dir') ?? '';
  const outcome = failure === undefined ? `status ${record.status}` : messageOf(failure);
  log.write('transfer', {
    ...{ name, owner, machine, direction, endpoint: path },
    ...(withNames && { path: printable(target.slice(0, textLimit)) }),
    bytes: direction === 'put' ? record.requestBytes : record.replyBytes,
    outcome: record.status === 0 && failure === undefined ? 'the client left' : outcome,
  });
}
