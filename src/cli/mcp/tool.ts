// The definition of a tool for agents, and of its answers.
import type * as v from 'valibot';
import type { Call, Machines } from './machines.ts';

export interface ToolContext {
  readonly machines: Machines;
  /** The project directory, a real path; local paths must be in it. */
  readonly root: string;
}

export interface Answer {
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface ToolOf<Input extends v.GenericSchema> {
  readonly name: string;
  readonly description: string;
  readonly input: Input;
  /** What the tool does, for a client that asks its user for permission. */
  readonly hints: {
    readonly readOnlyHint?: boolean;
    readonly destructiveHint?: boolean;
    readonly idempotentHint?: boolean;
  };
  readonly call: (
    given: v.InferOutput<Input>,
    call: Call,
    workplace: ToolContext,
  ) => Promise<Answer>;
}

export type Tool = ToolOf<v.GenericSchema>;

/** A tool of any argument type: arguments have been checked by its schema. */
export const tool = <const Input extends v.GenericSchema>(given: ToolOf<Input>): Tool =>
  given as unknown as Tool;
