// A tool as an agent sees it, and what it answers.
import type * as v from 'valibot';
import type { Call } from './call.ts';
import type { Machines } from './machines.ts';

/** What tools work with. */
export interface Workplace {
  readonly machines: Machines;
  /** The project, a real path: no path here leads out of it. */
  readonly root: string;
}

/** What a tool gives: text for the model, and what of it programs may want. */
export interface Answer {
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface ToolOf<Input extends v.GenericSchema> {
  readonly name: string;
  readonly description: string;
  readonly input: Input;
  /** What it does, for a client that asks its user first. */
  readonly hints: {
    readonly readOnlyHint?: boolean;
    readonly destructiveHint?: boolean;
    readonly idempotentHint?: boolean;
  };
  readonly call: (given: v.InferOutput<Input>, call: Call, workplace: Workplace) => Promise<Answer>;
}

export type Tool = ToolOf<v.GenericSchema>;

/** The tool, whatever it takes: what it is called with has passed its schema. */
export const tool = <const Input extends v.GenericSchema>(given: ToolOf<Input>): Tool =>
  given as unknown as Tool;
