// The schema of a failure bundle's failure.json.
import * as v from 'valibot';
import { limitsSchema, softwareSchema } from '../../protocol/replies.ts';
import { count, listOf, moment, parseBy, sha256, text } from '../../protocol/reply-fields.ts';
import { sessionEnd } from '../../protocol/session-replies.ts';

export const reportFormat = 'gomote-failure/1';

export const bundleFiles = {
  report: 'failure.json',
  stdout: 'stdout',
  stderr: 'stderr',
  /** Both streams, each line with its time. */
  output: 'output.txt',
} as const;

const words = text(1 << 20);

const kept = v.object({
  ...{ bytes: count, sha256 },
  /** The part of the output in the bundle. */
  ...{ keptBytes: count, keptSha256: sha256 },
});

const report = v.object({
  format: v.literal(reportFormat),
  written: moment,
  /** Whether the outcome of the command is known. */
  outcome: v.picklist(['ended', 'unknown']),
  /** The exit status of gomote; null in a program that uses the library. */
  exitCode: v.nullable(count),
  error: v.nullable(v.object({ code: text(100), message: words })),
  run: v.object({
    id: v.nullable(text(64)),
    command: listOf(words, 1 << 16),
    directory: words,
    /** The names of its variables, without values. */
    environment: listOf(words, 1 << 16),
    tty: v.boolean(),
    timeoutMs: v.nullable(v.number()),
    idleTimeoutMs: v.nullable(v.number()),
    end: v.nullable(sessionEnd),
  }),
  output: v.object({ stdout: kept, stderr: kept }),
  /** A digest of the files that pushes have sent into the directory; null when it could not be determined. */
  tree: v.nullable(v.object({ directory: words, sha256 })),
  buildlet: v.object({
    name: words,
    software: v.nullable(softwareSchema),
    features: listOf(text(100), 1_000),
    isolation: v.nullable(text(100)),
    limits: limitsSchema,
  }),
  client: softwareSchema,
});

export type FailureReport = v.InferOutput<typeof report>;

export const parseFailureReport = (json: string): FailureReport | undefined =>
  parseBy(report, json);
