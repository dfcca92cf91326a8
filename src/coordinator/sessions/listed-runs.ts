// The runs that a machine lists, running and finished. It may say anything: what does not fit is left out.
import * as v from 'valibot';
import { printable } from '../../printable.ts';
import { parseJson } from '../../protocol/reply-fields.ts';
import { isSessionId } from '../../protocol/session.ts';

/** The most that is read of such a reply, in bytes: it holds more runs than a page shows. */
export const runsReplyBytes = 4 << 20;

/** How much of a command is kept, in words and in characters: a machine may send megabytes. */
const wordLimit = 100;
const commandLimit = 500;

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const runSchema = v.pipe(
  v.object({
    id: v.pipe(v.string(), v.check(isSessionId)),
    command: v.pipe(v.array(v.string()), v.minLength(1)),
    running: v.boolean(),
    detached: v.optional(v.boolean(), false),
    started: v.pipe(
      v.string(),
      v.transform((text) => Date.parse(text)),
      v.number(),
      v.finite(),
    ),
    logBytes: v.optional(count, 0),
    end: v.optional(
      v.object({
        code: v.nullable(count),
        signal: v.nullable(v.pipe(v.string(), v.regex(/^SIG[A-Z0-9+-]{1,16}$/))),
        why: v.optional(v.pipe(v.string(), v.regex(/^[a-z-]{1,32}$/))),
        durationMs: v.pipe(v.number(), v.finite(), v.minValue(0)),
      }),
    ),
  }),
  v.transform(({ command, started, ...run }) => ({
    ...run,
    command: command.slice(0, wordLimit).map((word) => printable(word.slice(0, commandLimit))),
    startedMs: Math.min(started, Date.now()),
  })),
);

export type ListedRun = Readonly<v.InferOutput<typeof runSchema>>;

/** Each run once; undefined when the reply is no list. */
export function listedRuns(reply: string): ListedRun[] | undefined {
  const listed = v.safeParse(v.array(v.unknown()), parseJson(reply));
  if (!listed.success) return undefined;
  const runs = new Map<string, ListedRun>();
  for (const one of listed.output) {
    const { success, output } = v.safeParse(runSchema, one);
    if (success) runs.set(output.id, output);
  }
  return [...runs.values()];
}

/** The command as it is shown. */
export const commandText = ({ command }: Pick<ListedRun, 'command'>, withArguments: boolean) =>
  (withArguments ? command : command.slice(0, 1)).join(' ').slice(0, commandLimit);
