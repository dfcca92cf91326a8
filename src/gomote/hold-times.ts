// How long a buildlet that somebody holds outlives its holder.
import type { BackendConfig } from '../backends/config.ts';

export interface HoldTimes {
  /** How long a buildlet that answers waits to be held at first, in ms: the way to it is not open yet. */
  readonly firstMs: number;
  /** How long it outlives the process that holds it, in ms. */
  readonly graceMs: number;
}

/** On this machine no connection is lost but when its process ends; elsewhere it is to be made again in time. */
export const holdTimesOf = (config: BackendConfig | undefined): HoldTimes =>
  config?.kind === 'local'
    ? { firstMs: 15_000, graceMs: 5_000 }
    : { firstMs: 60_000, graceMs: 60_000 };
