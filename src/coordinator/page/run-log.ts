// Parses the log of a run in a machine's reply. The machine is not trusted: anything but a log ends the parsing.
import type { IncomingMessage } from 'node:http';
import { TimeLine } from '../../client/runs/time-line.ts';
import { GomoteError } from '../../errors.ts';
import { RecordParser } from '../../protocol/log-records.ts';
import type { SessionEnd } from '../../protocol/session.ts';
import { parseGap, parseSessionEnd, parseTimes } from '../../protocol/session-replies.ts';

type LogPiece =
  | {
      readonly kind: 'out' | 'err';
      /** Of the stream. */
      readonly offset: number;
      readonly bytes: Buffer;
      /** When it was written, if that is known. */
      readonly atMs: number | undefined;
    }
  /** Some of the output was dropped; the streams continue at these offsets. */
  | { readonly kind: 'gap'; readonly out: number; readonly err: number }
  | { readonly kind: 'end'; readonly end: SessionEnd };

/** The pieces, each with where in the log to continue after it; throws ERR_LOST when it ends without its closing record. */
export async function* logPieces(
  reply: IncomingMessage,
  from: number,
): AsyncGenerator<LogPiece & { readonly position: number }> {
  const parser = new RecordParser(from);
  const times = new TimeLine();
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    for (const { kind, offset, bytes } of parser.push(chunk)) {
      const { position } = parser;
      if (kind === 'out' || kind === 'err') {
        yield { kind, offset, bytes, atMs: times.at(position), position };
      } else if (kind === 'time') {
        times.add(known(parseTimes(bytes.toString())));
      } else if (kind === 'gap') {
        const gap = known(parseGap(bytes.toString()));
        parser.restart(Math.max(position, gap.to));
        yield { kind, out: gap.stdout, err: gap.stderr, position: parser.position };
      } else if (kind === 'end') {
        return yield { kind, end: known(parseSessionEnd(bytes.toString())), position };
      } else if (kind === 'file') {
        throw new GomoteError('ERR_REPLY', 'the log names a file unasked');
      }
    }
  }
  throw new GomoteError('ERR_LOST', 'the log ended without its closing record');
}

function known<T>(record: T | undefined): T {
  if (record !== undefined) return record;
  throw new GomoteError('ERR_REPLY', 'a record of the log is damaged');
}
