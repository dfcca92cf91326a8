// Measures the resources of commands' processes on Linux. CPU time is exact: the kernel adds up that of every
// process that was waited for. Memory is sampled: it cannot be read after a process has ended.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSystemFile } from '../../files/process-file.ts';
import type { RunUsage } from '../../protocol/session.ts';

interface Watched {
  readonly pid: number;
  peakBytes: number;
  ticks: number;
}

/** The kernel's unit of CPU time for programs, on every Linux, in ms. */
const tickMs = 10;

/** The time of the first sample, and the maximum interval between samples, in ms. */
const firstMs = 10;
const longestMs = 1_000;

/** The interval between samples as a multiple of the time that one takes. */
const restFactor = 50;

/** After how many processes to yield to other work. */
const processesAtOnce = 64;

export class UsageMeter {
  readonly #proc: string;
  readonly #watched = new Map<number, Watched>();
  #ended: Watched[] = [];
  #settling: Promise<void> | undefined;
  #cpuMs = new Map<Watched, number>();
  /** CPU time of the children that had been waited for at the last check. */
  #childTicks = 0;
  #timer: NodeJS.Timeout | undefined;
  #delayMs = firstMs;
  #earliestAtMs = 0;

  constructor(proc = '/proc') {
    this.#proc = proc;
  }

  /** Watches a child of this process. Call the result when the child has been waited for. */
  watch(pid: number | undefined): () => Promise<RunUsage | undefined> {
    if (pid === undefined || process.platform !== 'linux') return async () => undefined;
    if (this.#watched.size === 0) this.#childTicks = this.#readChildTicks() ?? 0;
    const one: Watched = { pid, peakBytes: 0, ticks: 0 };
    this.#watched.set(pid, one);
    this.#delayMs = firstMs;
    clearTimeout(this.#timer);
    this.#schedule();
    return () => this.#usageOf(one);
  }

  async #usageOf(one: Watched): Promise<RunUsage | undefined> {
    this.#ended.push(one);
    // When several children were waited for together, only the sum of their times is known.
    this.#settling ??= new Promise((resolve) => setImmediate(resolve)).then(() => this.#settle());
    await this.#settling;
    const cpuMs = this.#cpuMs.get(one);
    this.#cpuMs.delete(one);
    if (cpuMs === undefined) return undefined;
    const { peakBytes } = one;
    return { cpuMs, ...(peakBytes > 0 && { peakMemoryBytes: peakBytes, memoryBy: 'sampled' }) };
  }

  #settle(): void {
    const ended = this.#ended;
    this.#ended = [];
    this.#settling = undefined;
    for (const one of ended) {
      if (this.#watched.get(one.pid) === one) this.#watched.delete(one.pid);
    }
    if (this.#watched.size === 0) clearTimeout(this.#timer);
    const now = this.#readChildTicks();
    if (now === undefined) return;
    const ticks = now - this.#childTicks;
    this.#childTicks = now;
    const weightOf = (one: Watched) => one.ticks + 1;
    const weights = ended.reduce((sum, one) => sum + weightOf(one), 0);
    for (const one of ended) {
      const share = Math.round((ticks * weightOf(one)) / weights);
      // Processes that nobody waited for are only in the samples.
      this.#cpuMs.set(one, Math.max(share, one.ticks) * tickMs);
    }
  }

  #readChildTicks(): number | undefined {
    const fields = this.#statOf('self');
    return fields && Number(fields[13]) + Number(fields[14]);
  }

  #schedule(): void {
    const delayMs = Math.max(this.#delayMs, this.#earliestAtMs - performance.now());
    this.#timer = setTimeout(() => void this.#look(), delayMs).unref();
    this.#delayMs = Math.min(this.#delayMs * 2, longestMs);
  }

  async #look(): Promise<void> {
    let spentMs = 0;
    let count = 0;
    for (const one of [...this.#watched.values()]) {
      const startedAtMs = performance.now();
      let [bytes, ticks] = [0, 0];
      for (const pid of this.#processesOf(one.pid)) {
        const memory = this.#memoryOf(pid);
        one.peakBytes = Math.max(one.peakBytes, memory.peakBytes);
        bytes += memory.bytes;
        ticks += ticksOf(this.#statOf(pid));
        count++;
      }
      one.peakBytes = Math.max(one.peakBytes, bytes);
      one.ticks = Math.max(one.ticks, ticks);
      spentMs += performance.now() - startedAtMs;
      if (count > processesAtOnce) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#earliestAtMs = performance.now() + restFactor * spentMs;
    if (this.#watched.size === 0) return;
    clearTimeout(this.#timer);
    this.#schedule();
  }

  /** A process and its descendants, except those whose parent has ended. */
  #processesOf(pid: number): number[] {
    const found = [pid];
    for (const one of found) {
      for (const thread of this.#list(`${one}/task`)) {
        const children = this.#read(`${one}/task/${thread}/children`) ?? '';
        found.push(...(children.match(/[0-9]+/g) ?? []).map(Number));
      }
    }
    return found;
  }

  #list(directory: string): string[] {
    try {
      return readdirSync(join(this.#proc, directory));
    } catch {
      return [];
    }
  }

  /** The fields of `stat` after the program's name: state, parent, group, session, … */
  #statOf(process: number | 'self'): string[] | undefined {
    const text = this.#read(`${process}/stat`);
    // The name may hold anything.
    return text?.slice(text.lastIndexOf(')') + 2).split(' ');
  }

  #memoryOf(process: number): { peakBytes: number; bytes: number } {
    const text = this.#read(`${process}/status`) ?? '';
    const bytesOf = (what: string) =>
      1024 * Number(new RegExp(`^${what}:\\s*([0-9]+) kB$`, 'm').exec(text)?.[1] ?? 0);
    return { peakBytes: bytesOf('VmHWM'), bytes: bytesOf('VmRSS') };
  }

  #read(file: string): string | undefined {
    return readSystemFile(join(this.#proc, file));
  }
}

/** Its own CPU time, and that of the children it has waited for. */
const ticksOf = (fields: readonly string[] | undefined): number =>
  (fields ?? []).slice(11, 15).reduce((sum, field) => sum + Number(field), 0);

/** The CPU time of all children of this process, which is reported as one sum. */
export const usageMeter = new UsageMeter();
