// What `gomote logs` prints of a run.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { parseDuration } from '../../duration.ts';
import { GomoteError } from '../../errors.ts';
import { compileGoPattern } from '../../go-pattern.ts';
import { timesFeature } from '../../protocol/features.ts';
import type { SessionInfo } from '../../protocol/session.ts';
import type { Context } from '../context.ts';
import { type Column, formatColumns } from '../terminal/table.ts';
import { print } from '../terminal/terminal.ts';
import { LastLines } from './last-lines.ts';
import { LineEditor, type StreamName, timeText } from './line-editor.ts';
import { type Silence, Silences } from './silences.ts';

export interface LogOptions {
  follow?: boolean;
  tail?: number;
  timestamps?: boolean;
  since?: number;
  until?: number;
  grep?: string;
  stream?: StreamName;
}

export async function printLog(
  client: BuildletClient,
  info: SessionInfo,
  options: LogOptions,
  context: Context,
): Promise<void> {
  const { stdout, stderr } = context.terminal;
  const timed = options.timestamps ? '--timestamps' : options.since ? '--since' : '--until';
  const isTimed = options.timestamps || options.since !== undefined || options.until !== undefined;
  if (isTimed) await requireTimes(client, timed, context);
  const editor =
    isTimed || options.grep !== undefined || options.stream !== undefined
      ? new LineEditor({
          ...{ timestamps: options.timestamps, stream: options.stream },
          ...{ sinceAtMs: options.since, untilAtMs: options.until },
          grep:
            options.grep === undefined ? undefined : await compileGoPattern('--grep', options.grep),
        })
      : undefined;
  const session = client.sessions.get(info.id, { times: isTimed });
  const common = { observe: true, signal: context.signal, edit: editor?.edit };
  let lostBytes = 0;
  const last = options.tail ? new LastLines(options.tail) : undefined;
  if (last !== undefined) {
    const streams = { stdout: last.stream(stdout), stderr: last.stream(stderr) };
    ({ lostBytes } = await session.readUntil(info.logBytes, { ...common, ...streams }));
    if (!options.follow && editor !== undefined) {
      streams.stdout.write(editor.rest('stdout'));
      streams.stderr.write(editor.rest('stderr'));
    }
    await last.print();
  }
  const until = options.follow ? Infinity : info.logBytes;
  const from = options.tail === undefined ? 0 : info.logBytes;
  if (until > from) {
    const result = await session.readUntil(until, { ...common, stdout, stderr, from });
    lostBytes += result.lostBytes;
  }
  if (editor !== undefined) {
    stderr.write(editor.rest('stderr'));
    stdout.write(editor.rest('stdout'));
    await print(context.terminal, '');
  }
  if (lostBytes > 0) context.messages.remark(`${lostBytes} bytes of it had been dropped`);
}

async function requireTimes(
  client: BuildletClient,
  option: string,
  { signal }: Context,
): Promise<void> {
  if (await client.has(timesFeature, { signal })) return;
  throw new GomoteError(
    'ERR_UNSUPPORTED',
    `${client.name} does not keep the times of output, which ${option} needs`,
    { hint: `leave ${option} out, or run a newer buildlet there` },
  );
}

export async function printSilences(
  client: BuildletClient,
  info: SessionInfo,
  context: Context,
): Promise<void> {
  await requireTimes(client, '--slow', context);
  const silences = new Silences(Date.parse(info.started));
  const session = client.sessions.get(info.id, { times: true });
  const { end, lostBytes } = await session.readUntil(info.logBytes, {
    ...{ observe: true, signal: context.signal },
    edit: (bytes, stream, atMs) => {
      if (atMs !== undefined) silences.take(bytes, stream, atMs);
      return nothing;
    },
  });
  if (end !== undefined) silences.end(Date.parse(end.ended));
  const { terminal, messages } = context;
  if (silences.longest.length === 0) messages.remark('it was never silent for 100ms');
  await print(terminal, formatColumns(silences.longest, columns, terminal));
  if (lostBytes > 0) messages.remark(`${lostBytes} bytes of it had been dropped`);
}

const nothing = new Uint8Array();

const columns: Column<Silence>[] = [
  { title: 'SILENT', cell: ({ durationMs }) => `${(durationMs / 1_000).toFixed(1)}s` },
  { title: 'SINCE', cell: ({ sinceAtMs }) => timeText(sinceAtMs) },
  { title: 'AFTER', cell: ({ line }) => line.replaceAll(/[\t\r\n]/g, ' ') || '(its start)' },
];

/** Parses a time: a duration before now, or a date and time. Returns ms since 1970; throws ERR_USAGE. */
export function parseMoment(option: string, text: string): number {
  const isDate = /^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+(Z|[+-][0-9]{2}:?[0-9]{2})?)?$/.test(
    text,
  );
  const moment = isDate ? Date.parse(text) : Date.now() - parseDuration(option, text);
  if (Number.isFinite(moment)) return moment;
  throw new GomoteError('ERR_USAGE', `${option} "${text}" is not a time`, {
    hint: 'give how long ago, such as 10m, or a time such as 2026-01-31T12:00:00Z',
  });
}
