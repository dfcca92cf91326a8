// What `gomote once` is asked for, all of it read and checked before a machine is made.
import type { Setup } from '../../backends/setup.ts';
import type { MachineOptions } from '../../gomote/create.ts';
import type { Guard } from '../project/local-guard.ts';
import type { RunOptions } from '../run/run-options.ts';

/** Which buildlets stay when all is done. */
export type Keep = 'always' | 'failure' | 'never';

export interface OnceSpec {
  /** The command, with `{index}` and `{total}` in its arguments where there are shards. */
  readonly command: { readonly cmd: string; readonly args: readonly string[] };
  /** A buildlet that is there; absent: new ones are made. */
  readonly on?: string | undefined;
  /** A builder type each; undefined: the usual one. */
  readonly types: readonly (string | undefined)[];
  /** How many of each type. */
  readonly count: number;
  /** Whether they share the work: each is told which part is its own. */
  readonly areShards: boolean;
  readonly machine: MachineOptions;
  /** Keeps what a project's file says from running on this machine; absent: nothing does, or the user has chosen the place. */
  readonly guard?: Guard | undefined;
  readonly keep: Keep;
  /** Whether a shell is opened where the command has failed. */
  readonly shellOnFailure: boolean;
  /** The tree that is pushed, a real path, and where it goes; absent: none is. */
  readonly tree?: PushedTree | undefined;
  /** A script for the machine, before the command. */
  readonly setup?: Setup | undefined;
  /** Patterns of what is fetched afterwards, and of what must be there. */
  readonly get: readonly string[];
  readonly require: readonly string[];
  /** Where to; with several machines, each has a directory of its own in it. */
  readonly into: string;
  readonly run: RunOptions;
  /** Whether stdout has a report, and all output of commands goes to stderr. */
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
export interface OnceOptions extends Omit<RunOptions, 'get'>, Omit<MachineOptions, 'memoryBytes'> {
  memory?: number;
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
