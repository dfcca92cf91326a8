// gomote watch: pushes the tree and runs the command, again whenever something of the tree has changed.
import { setTimeout as sleep } from 'node:timers/promises';
import { isGomoteError, messageOf } from '../../errors.ts';
import { defaultKillAfterMs } from '../../gomote/run/lost.ts';
import type { TreeWatch } from '../../sync/push/watch.ts';
import { anySignal } from '../../timeout-signal.ts';
import { isGone } from '../transfer/watch-push.ts';
import type { Run } from './run.ts';
import type { RunRecord } from './run-report.ts';

interface WatchedRun {
  readonly watch: TreeWatch;
  /** Pushes, or only checks for changes. Returns whether there were any. */
  readonly push: (how: { readonly dryRun: boolean }) => Promise<boolean>;
  readonly run: (record: RunRecord) => Promise<number>;
  /** Whether a change ends the current run. */
  readonly interrupts: boolean;
  readonly clears: boolean;
  readonly top: string;
}

/** How long without a change before checking that the buildlet is still there, in ms. */
const idleMs = 2_000;
/** The delay before a failed push is retried without a change, in ms. */
const retryMs = 1_000;

/** How often to check whether a run that must end has begun, in ms. */
const pollMs = 20;

const clearScreen = '\x1b[H\x1b[2J\x1b[3J';

/** Runs until a signal ends it, and returns the exit status of the command that got the signal. Throws when the buildlet is gone. */
export async function watchRuns(run: Omit<Run, 'record'>, watched: WatchedRun): Promise<number> {
  return await new Watcher(run, watched).result();
}

class Watcher {
  readonly #run: Omit<Run, 'record'>;
  readonly #watched: WatchedRun;
  #tries = 0;
  #said = '';

  constructor(run: Omit<Run, 'record'>, watched: WatchedRun) {
    this.#run = run;
    this.#watched = watched;
  }

  async result(): Promise<number> {
    const { watch } = this.#watched;
    const { signal } = this.#run.context;
    await this.#watched.push({ dryRun: false });
    for (let mustRun = true; ; ) {
      let isChanged = false;
      if (mustRun) {
        const ended = await this.#runOnce();
        if (ended.code !== undefined) return ended.code;
        isChanged = ended.isChanged;
      }
      while (!isChanged) {
        isChanged = await watch.changed(signal, idleMs);
        if (!isChanged) await this.#run.buildlet.client.probe({ signal }).catch(this.#onProbe);
      }
      mustRun = await this.#push();
    }
  }

  async #push(): Promise<boolean> {
    const { watch, push } = this.#watched;
    const { signal } = this.#run.context;
    for (let hasFailed = false; ; hasFailed = true) {
      try {
        const isChanged = await push({ dryRun: false });
        this.#said = '';
        // A failed push may have sent something.
        return isChanged || hasFailed;
      } catch (error) {
        await this.#throwIfOver(error);
        if (messageOf(error) !== this.#said) this.#run.context.messages.remark(messageOf(error));
        this.#said = messageOf(error);
      }
      await watch.changed(signal, retryMs);
    }
  }

  /** `code`: the status to end with. `isChanged`: something may have changed that was not pushed. */
  async #runOnce(): Promise<{ code?: number; isChanged: boolean }> {
    const { context } = this.#run;
    const { clears, run, interrupts, top } = this.#watched;
    this.#tries++;
    if (clears) context.terminal.stdout.write(clearScreen);
    if (this.#tries === 1) this.#run.context.messages.remark(`watching ${top}; Ctrl-C ends it`);
    const record: RunRecord = { startedAtMs: Date.now(), id: null, tries: this.#tries };
    const over = new AbortController();
    const running = run(record).finally(() => over.abort());
    const interrupted = interrupts ? this.#endWhenChanged(record, over.signal) : undefined;
    try {
      const code = await running;
      if (record.received !== undefined) return { code, isChanged: false };
      const seconds = ((Date.now() - record.startedAtMs) / 1_000).toFixed(1);
      if (!(await interrupted))
        this.#run.context.messages.remark(`exit status ${code} after ${seconds}s`);
      return { isChanged: interrupts };
    } catch (error) {
      await this.#throwIfOver(error);
      // A usage error does not go away when the tree changes.
      if (isGomoteError(error, 'ERR_USAGE') || isGomoteError(error, 'ERR_PATH')) throw error;
      if (!(await interrupted)) this.#run.context.messages.remark(messageOf(error));
      return { isChanged: interrupts };
    } finally {
      await interrupted;
    }
  }

  /** Ends the run when there is something to push. Returns whether it did. */
  async #endWhenChanged(record: RunRecord, over: AbortSignal): Promise<boolean> {
    const { watch, push } = this.#watched;
    const { buildlet, context, options } = this.#run;
    const signal = anySignal(context.signal, over);
    try {
      do await watch.changed(signal);
      while (!(await push({ dryRun: true })));
      this.#run.context.messages.remark('changed; it runs again');
      // A run on a buildlet without sessions cannot be ended.
      while (record.id === null) await sleep(pollMs, undefined, { signal });
      const killAfterMs = options.killAfter ?? defaultKillAfterMs;
      const session = buildlet.client.sessions.get(record.id);
      await session.kill('SIGTERM', { killAfterMs, signal });
      return true;
    } catch (error) {
      // The run has ended by itself: the next push finds the changes.
      if (!signal.aborted) this.#run.context.messages.remark(messageOf(error));
      return false;
    }
  }

  readonly #onProbe = async (error: unknown): Promise<void> => {
    await this.#throwIfOver(error);
  };

  /** Throws when the buildlet is gone, or when the wait was cancelled. */
  async #throwIfOver(error: unknown): Promise<void> {
    const { buildlet, context } = this.#run;
    context.signal.throwIfAborted();
    const why = isGomoteError(error) ? await buildlet.explain(error) : error;
    if (isGone(why)) throw why;
  }
}
