// The progress line of a transfer on a terminal.
import { plural } from '../../plural.ts';
import { formatBytes } from '../transfer/format-bytes.ts';

export interface Passed {
  bytes: number;
  files?: number | undefined;
  /** Absent: unknown; the remaining time is not shown then. */
  totalBytes?: number | undefined;
}

/** Transfers that are shorter than this show no progress, in ms. */
const firstMs = 500;
const intervalMs = 100;
/** The period over which the rate is measured, in ms. */
const rateWindowMs = 3000;

const clear = '\r\u001B[K';

export function showProgress(stream: { write(text: string): unknown }, passed: Passed): () => void {
  const rate = new Rate();
  const startedAtMs = performance.now();
  let isShown = false;
  const timer = setInterval(() => {
    const sinceMs = performance.now() - startedAtMs;
    rate.add(passed.bytes, sinceMs);
    if (sinceMs < firstMs) return;
    isShown = true;
    stream.write(`${clear}${progressLine(passed, rate.perSecond)}`);
  }, intervalMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    if (isShown) stream.write(clear);
  };
}

/** `12.3 MB of 26.3 MB, 812 files, 45.1 MB/s, 0:03 left`. */
export function progressLine(
  { bytes, files, totalBytes }: Passed,
  bytesPerSecond: number | undefined,
): string {
  const of = totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`;
  const parts = [`${formatBytes(bytes)}${of}`];
  if (files !== undefined) parts.push(plural(files, 'file'));
  if (bytesPerSecond !== undefined) {
    parts.push(`${formatBytes(Math.round(bytesPerSecond))}/s`);
    const left = (totalBytes ?? 0) - bytes;
    if (left > 0 && bytesPerSecond > 0) parts.push(`${formatSeconds(left / bytesPerSecond)} left`);
  }
  return parts.join(', ');
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (count: number) => String(count).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

class Rate {
  #perMs: number | undefined;
  #bytes = 0;
  #atMs = 0;

  add(bytes: number, atMs: number): void {
    const tookMs = atMs - this.#atMs;
    if (tookMs <= 0) return;
    const latest = (bytes - this.#bytes) / tookMs;
    const weight = Math.min(tookMs / rateWindowMs, 1);
    this.#perMs =
      this.#perMs === undefined ? latest : this.#perMs + weight * (latest - this.#perMs);
    this.#bytes = bytes;
    this.#atMs = atMs;
  }

  get perSecond(): number | undefined {
    return this.#perMs === undefined ? undefined : this.#perMs * 1000;
  }
}
