// How a tree is pulled, and what comes of it.
import type { Compression } from '../../protocol/transfer.ts';
import type { PullRulesOptions } from '../ignore/pull-rules.ts';

export interface PullOptions extends PullRulesOptions {
  /** Of the buildlet, relative to the work directory, in plain form. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Only what matches one of these patterns of gitignore(5), also what is left out otherwise. Default: everything. */
  readonly only?: readonly string[] | undefined;
  /** Also brings what was removed here, and overwrites what was neither pushed nor pulled: it is not known whose that is. */
  readonly replacesUnknown?: boolean | undefined;
  /** Only what the buildlet's commands have made or changed since the push. */
  readonly changedOnly?: boolean | undefined;
  /** Also overwrites what was changed here, or is of another kind. */
  readonly force?: boolean | undefined;
  /** Writes what would overwrite something as NAME.remote beside it. */
  readonly keepBoth?: boolean | undefined;
  /** Changes nothing; the summary says what would come. */
  readonly dryRun?: boolean | undefined;
  /** Default `auto`. */
  readonly compress?: Compression | 'auto' | undefined;
  /** Where is kept what gomote itself has sent and brought; absent: nowhere, and nothing that differs is overwritten. */
  readonly cacheDirectory?: string | undefined;
  /** Called with the number of bytes of files as they have come. */
  readonly onCome?: ((bytes: number) => void) | undefined;
}

/** What a pull brought, and what it left. */
export interface PullSummary {
  /** Files that came. */
  readonly files: number;
  /** The bytes in them. */
  readonly bytes: number;
  /** What passed over the connection for that, in bytes. */
  readonly wireBytes: number;
  /** Paths that came, or would come. */
  readonly paths: readonly string[];
  /** Paths left alone, for what is here is neither what was pushed nor what came by a pull. */
  readonly kept: readonly string[];
  /** Paths here of what came beside those. */
  readonly beside: readonly string[];
  /** Paths of what is never made here: names that are reserved, links that lead out of the directory. */
  readonly refused: readonly string[];
  /** Paths left out by the rules that hold here; of a directory, not those below it. */
  readonly ignored: readonly string[];
  /** Paths of FIFOs, devices and sockets there. */
  readonly others: readonly string[];
  /** Paths of what could not be read there or written here. */
  readonly failed: readonly string[];
  /** Paths there that match one of the patterns, if such were given. */
  readonly matched?: readonly string[] | undefined;
  /** Of all those, why: in words. */
  readonly reasons: ReadonlyMap<string, string>;
}
