// Arguments that several tools share.
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

/** Some seconds less than the usual time limit of clients. */
export const usualWaitSeconds = 45;

/** The default and the maximum size of output or content in an answer, in bytes. */
export const usualBytes = 12_000;
export const mostBytes = 200_000;

export const waitSeconds = (description: string, usual: number) =>
  v.optional(count(description, 0, 3_600), usual);
