// Records how runs ended, including those that no request follows, for the audit trail.
import { endpoints } from '../../protocol/endpoints.ts';
import { withQuery } from '../../protocol/form.ts';
import { currentCause } from '../audit.ts';
import type { Log, LogFields } from '../log.ts';
import { type ListedRun, listedRuns } from '../sessions/listed-runs.ts';
import type { Session } from '../sessions/session.ts';

interface RunAuditOptions {
  readonly log: Log;
  /** Asks the session's machine. Rejects, or resolves with undefined, when it can no longer be asked. */
  readonly ask: (session: Session, path: string) => Promise<string | undefined>;
  /** How often to check runs that nobody follows, in ms. */
  readonly intervalMs: number;
}

interface OpenRun {
  readonly session: Session;
  readonly run: string;
  readonly fields: LogFields;
}

/** The maximum number of followed runs. For others, the trail says that they continue. */
const openLimit = 10_000;

export class RunAudit {
  readonly #options: RunAuditOptions;
  readonly #open = new Map<string, OpenRun>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RunAuditOptions) {
    this.#options = options;
  }

  /** Called when the request that started the run is over: writes how it ended, at once or later. */
  async over(given: OpenRun): Promise<void> {
    const one = { ...given, fields: { ...given.fields, run: given.run, ...currentCause() } };
    const key = `${one.session.name} ${one.run}`;
    // The request may be repeated for the same run.
    if (this.#open.has(key)) return;
    this.#open.set(key, one);
    const ended = await this.#endOf(one);
    if (ended === 'running') {
      this.#options.log.write('exec', { ...one.fields, outcome: 'it goes on' });
      if (this.#open.size > openLimit) this.#open.delete(key);
      else this.#watch();
    } else {
      this.#open.delete(key);
      this.#options.log.write('exec', { ...one.fields, ...ended });
    }
  }

  #watch(): void {
    this.#timer ??= setInterval(() => void this.#look(), this.#options.intervalMs).unref();
  }

  async #look(): Promise<void> {
    for (const [key, one] of [...this.#open]) {
      const ended = await this.#endOf(one);
      if (ended === 'running' || !this.#open.delete(key)) continue;
      this.#options.log.write('exec-end', { ...one.fields, ...ended });
    }
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #endOf({ session, run }: OpenRun): Promise<'running' | LogFields> {
    const path = withQuery(endpoints.sessions.path, { id: run });
    const reply = await this.#options.ask(session, path).catch(() => undefined);
    if (reply === undefined) return { outcome: 'unknown: its buildlet ended' };
    const found = listedRuns(reply)?.find(({ id }) => id === run);
    if (found === undefined) return { outcome: 'unknown: its buildlet does not know it' };
    return found.end === undefined ? 'running' : ending(found.end);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function ending({ code, signal, durationMs }: NonNullable<ListedRun['end']>): LogFields {
  const outcome = code === null ? `signal: ${signal ?? 'unknown'}` : `exit status ${code}`;
  return { outcome, code: code ?? undefined, signal: signal ?? undefined, durationMs };
}
