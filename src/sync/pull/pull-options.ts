// The options and the result of a pull.
import type { Compression } from '../../protocol/transfer.ts';
import type { PullRulesOptions } from '../ignore/pull-rules.ts';

export interface PullOptions extends PullRulesOptions {
  /** The directory of the buildlet, relative to the work directory, in plain form. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Pulls only what matches one of these patterns of gitignore(5), even what is excluded otherwise. Default: everything. */
  readonly only?: readonly string[] | undefined;
  /** Also pulls what was removed here, and overwrites what was neither pushed nor pulled. */
  readonly replacesUnknown?: boolean | undefined;
  /** Pulls only what the buildlet's commands have created or changed since the push. */
  readonly changedOnly?: boolean | undefined;
  /** Also overwrites files that were changed locally, or have a different type. */
  readonly force?: boolean | undefined;
  /** Writes files that would overwrite local changes as NAME.remote beside them. */
  readonly keepBoth?: boolean | undefined;
  /** Changes nothing; the summary shows what would be pulled. */
  readonly dryRun?: boolean | undefined;
  /** Default `auto`. */
  readonly compress?: Compression | 'auto' | undefined;
  /** Where the states of pushes and pulls are stored. Absent: nowhere, and nothing that differs is overwritten. */
  readonly cacheDirectory?: string | undefined;
  /** How much the contents of earlier pulls may take there, from which later ones are taken. Absent: none are kept. */
  readonly storeBytes?: number | undefined;
  /** Called with the number of received bytes of files. */
  readonly onCome?: ((bytes: number) => void) | undefined;
}

/** The result of a pull. */
export interface PullSummary {
  /** The number of files pulled. */
  readonly files: number;
  /** The bytes in them. */
  readonly bytes: number;
  /** The bytes transferred over the connection. */
  readonly wireBytes: number;
  /** The bytes of files that were kept of earlier pulls, and were not sent. */
  readonly storedBytes: number;
  /** The paths that were pulled, or would be. */
  readonly paths: readonly string[];
  /** Paths that were not overwritten, because the local entry was neither pushed nor pulled. */
  readonly kept: readonly string[];
  /** Local paths of copies that were written beside those. */
  readonly beside: readonly string[];
  /** Paths that are never created here: reserved names, links that lead out of the directory. */
  readonly refused: readonly string[];
  /** Paths excluded by the local rules; for a directory, not those below it. */
  readonly ignored: readonly string[];
  /** Paths of FIFOs, devices and sockets. */
  readonly others: readonly string[];
  /** Paths of what could not be read there or written here. */
  readonly failed: readonly string[];
  /** Paths there that match one of the patterns, if there are patterns. */
  readonly matched?: readonly string[] | undefined;
  /** The reasons for all those, as text. */
  readonly reasons: ReadonlyMap<string, string>;
}
