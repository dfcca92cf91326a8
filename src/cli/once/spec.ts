// The request of one `gomote once`, read and checked before a machine is created.
import type { Setup } from '../../backends/setup.ts';
import type { MachineOptions } from '../../gomote/create.ts';
import type { Cache } from '../../protocol/cache.ts';
import type { Guard } from '../project/local-guard.ts';
import type { RunOptions } from '../run/run-options.ts';

/** The maximum number of machines that one command creates. */
export const machineLimit = 64;

export type Keep = 'always' | 'failure' | 'never';

export interface OnceSpec {
  /** The command, with `{index}` and `{total}` in its arguments where there are shards. */
  readonly command: { readonly cmd: string; readonly args: readonly string[] };
  /** An existing buildlet; absent: new ones are created. */
  readonly on?: string | undefined;
  /** A builder type each; undefined: the usual one. */
  readonly types: readonly (string | undefined)[];
  readonly count: number;
  /** Whether the machines share the work: each gets its own shard. */
  readonly areShards: boolean;
  readonly machine: MachineOptions;
  readonly from?: string | undefined;
  /** Prevents a project file from running something on this machine; absent when it could not, or when the user has chosen the place. */
  readonly guard?: Guard | undefined;
  readonly keep: Keep;
  readonly shellOnFailure: boolean;
  /** The tree to push, a real path, and its destination; absent: no push. */
  readonly tree?: PushedTree | undefined;
  /** A script for the machine, before the command. */
  readonly setup?: Setup | undefined;
  /** Patterns of what is fetched afterwards, and of what must be there. */
  readonly get: readonly string[];
  readonly require: readonly string[];
  /** The destination; with several machines, each gets a directory in it. */
  readonly into: string;
  readonly run: RunOptions;
  /** Whether stdout carries a report, so that the output of commands goes to stderr. */
  readonly json: boolean;
  readonly timingJson?: string | undefined;
}

export interface PushedTree {
  readonly top: string;
  /** Relative to the work directory. */
  readonly dir: string;
  readonly exclude: readonly string[];
  readonly noIgnore: boolean;
}

/** As they are typed. */
export interface OnceOptions
  extends Omit<RunOptions, 'get'>,
    Omit<MachineOptions, 'memoryBytes' | 'caches'> {
  memory?: number;
  cache: Cache[];
  on?: string;
  keep?: Keep;
  count?: number;
  types?: string;
  shard?: number;
  push?: boolean;
  project?: boolean;
  dest?: string;
  exclude: string[];
  ignore: boolean;
  from?: string;
  setup?: string;
  setupFile: string[];
  get: string[];
  require: string[];
  into?: string;
  shell?: 'failure';
  sh?: string;
  json?: boolean;
  timingJson?: string;
}
