// What several tools take.
import * as v from 'valibot';

export const machine = v.optional(
  v.pipe(v.string(), v.description('Name of the machine. May be left out when there is only one.')),
);

export const text = (description: string) => v.pipe(v.string(), v.description(description));

export const count = (description: string, least: number, most: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most), v.description(description));

export const flag = (description: string) => v.pipe(v.boolean(), v.description(description));

export const texts = (description: string) =>
  v.pipe(v.array(v.string()), v.description(description));

/** How long a client waits for an answer as a rule, less some seconds. */
export const usualWaitSeconds = 45;

/** How much of an answer is output or content unless it is asked for, in bytes; and at most. */
export const usualBytes = 12_000;
export const mostBytes = 200_000;

export const waitSeconds = (description: string, usual: number) =>
  v.optional(count(description, 0, 3_600), usual);
