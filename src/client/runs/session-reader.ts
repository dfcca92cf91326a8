// Reads a session's log to its closing record: every byte once, also when connections break.
import type { Writable } from 'node:stream';
import { GomoteError } from '../../errors.ts';
import { type HttpResponse, transportError } from '../../http/client/request.ts';
import { RecordParser, type RecordPiece } from '../../protocol/log-records.ts';
import type { SessionEnd, Standstill } from '../../protocol/session.ts';
import type { Gap } from '../../protocol/session-replies.ts';
import { closedOutput, outputFailure } from '../given-streams.ts';
import { LogFiles } from './log-files.ts';
import type { LogOutputs } from './log-outputs.ts';
import { checkStream, type LogStream, newStream } from './log-stream.ts';
import type { SessionOptions } from './session-options.ts';
import { TimeLine } from './time-line.ts';

type Standstills = Pick<SessionOptions, 'onStandstill'>;

/** A connection's part of a log. */
interface CopyOptions {
  readonly signal: AbortSignal;
  /** Below which directory the log may name files, where that was offered. Default: nowhere. */
  readonly filesIn?: string | undefined;
  /** Called whenever the position has changed. */
  readonly onTaken?: (() => void) | undefined;
}

/** How long a reply may take to end after the closing record, in ms. */
const endGraceMs = 2_000;

/** Parses a log, writes its output and keeps count, over any number of connections. */
export class LogCopier {
  readonly #parser: RecordParser;
  readonly #streams: Record<'out' | 'err', LogStream>;
  /** Whether the log was read from its beginning, so that the digests must agree. */
  readonly #fromStart: boolean;
  readonly #until: number;
  readonly #given: LogOutputs & Standstills;
  readonly #times = new TimeLine();
  #replies: Awaited<ReturnType<typeof loadReplies>> | undefined;
  #end: SessionEnd | undefined;
  #heard = false;
  /** Whether the command was last said to stand still. */
  #isStopped = false;
  /** How many outputs cannot take more for the moment. */
  #waits = 0;

  constructor(outputs: LogOutputs & Standstills, from: number | 'end', until = Infinity) {
    this.#until = until;
    this.#given = outputs;
    this.#fromStart = from === 0;
    this.#parser = new RecordParser(from === 'end' ? 0 : from);
    const { stdout, stderr } = outputs;
    this.#streams = {
      out: newStream(stdout, this.#fromStart),
      err: newStream(stderr, this.#fromStart),
    };
  }

  /** Where in the log to continue. */
  get position(): number {
    return this.#parser.position;
  }

  /** The closing record, once it has come. */
  get end(): SessionEnd | undefined {
    return this.#end;
  }

  /** How many bytes of output were dropped before they could be read. */
  get lostBytes(): number {
    return this.#streams.out.lost + this.#streams.err.lost;
  }

  /** Whether anything has come since it was last asked, or is held up here. */
  wasHeard(): boolean {
    const heard = this.#heard || this.#waits > 0;
    this.#heard = false;
    return heard;
  }

  /** Whether all that was wanted has come: the closing record, or all up to `until`. */
  get isDone(): boolean {
    return this.#end !== undefined || this.position >= this.#until;
  }

  /**
   * Copies one reply's body, to its end or until enough has come. Fails with NotShared when it names a file which
   * cannot be read here, and with ERR_REPLY when it names one that it may not name.
   */
  async copy(
    body: HttpResponse['body'],
    { signal, filesIn, onTaken = () => undefined }: CopyOptions,
  ): Promise<void> {
    body.on('error', ignore);
    // Loaded while the buildlet is asked, as a rule.
    this.#replies ??= await loadReplies();
    const replies = this.#replies;
    this.#parser.restart();
    this.#times.restart();
    const files =
      filesIn === undefined
        ? undefined
        : new LogFiles(filesIn, this.#given.mayReuseBuffer === true);
    await new Promise<void>((resolve, reject) => {
      const outputs = this.#outputs;
      let isOver = false;
      let isReadingFile = false;
      let hasReadFile = false;
      let hasEnded = false;
      let late: NodeJS.Timeout | undefined;
      const settle = (error?: unknown) => {
        isOver = true;
        clearTimeout(late);
        body.off('data', onData).off('end', onEnd).off('error', onError);
        signal.removeEventListener('abort', onAbort);
        for (const output of outputs) {
          output.off('error', settle).off('close', onClosed).off('drain', onDrain);
        }
        this.#waits = 0;
        if (error !== undefined || !body.readableEnded) body.destroy();
        else body.off('error', ignore);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onEnd = () => {
        hasEnded = true;
        if (!isReadingFile) settle();
      };
      const onError = (error: Error) => settle(transportError(error, signal, 'ERR_LOST'));
      // The reply may have been asked for on behalf of another signal.
      const onAbort = () => onError(new Error('the reading was ended'));
      const onClosed = () => settle(closedOutput());
      const full = new Set<Writable>();
      const onDrain = () => {
        for (const output of full) if (!output.writableNeedDrain) full.delete(output);
        this.#waits = full.size;
        if (full.size === 0 && !isReadingFile) body.resume();
      };
      const take = (pieces: Iterator<RecordPiece, void>) => {
        try {
          for (let step = pieces.next(); !step.done; step = pieces.next()) {
            if (step.value.kind === 'file') return void takeFile(step.value, pieces);
            const output = this.#take(step.value);
            if (output !== undefined) full.add(output);
          }
        } catch (error) {
          return settle(error);
        }
        this.#waits = full.size;
        onTaken();
        // Who names files ends the reply only when all of them have been read.
        const isEnough = this.position >= this.#until || (this.#end !== undefined && hasReadFile);
        // Do not wait for a reply that is complete but does not end.
        if (this.#end !== undefined) late ??= setTimeout(settle, endGraceMs);
        if (isEnough || hasEnded) settle();
        else if (full.size > 0) body.pause();
        else if (body.isPaused()) body.resume();
      };
      /** What comes after it has to wait. */
      const takeFile = ({ bytes }: RecordPiece, rest: Iterator<RecordPiece, void>) => {
        if (files === undefined) throw new GomoteError('ERR_REPLY', 'the log names a file unasked');
        const range = damagedUnless(replies.parseFileRange(bytes.toString()));
        isReadingFile = hasReadFile = true;
        body.pause();
        this.#copyFile(files.pieces(range), () => isOver, onTaken).then(() => {
          isReadingFile = false;
          if (!isOver) take(rest);
        }, settle);
      };
      const onData = (chunk: Buffer) => {
        this.#heard = true;
        take(this.#parser.push(chunk));
      };
      for (const output of outputs) {
        output.on('error', settle).on('close', onClosed).on('drain', onDrain);
        const failure = outputFailure(output);
        if (failure !== undefined) return settle(failure);
      }
      body.on('data', onData).on('end', onEnd).on('error', onError);
      if (body.destroyed) onError(body.errored ?? new Error('it was closed'));
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
    }).finally(() => files?.close());
  }

  /** Copies records out of a file, and waits for the outputs after each piece. */
  async #copyFile(
    pieces: Iterable<Buffer>,
    isOver: () => boolean,
    onTaken: () => void,
  ): Promise<void> {
    for (const bytes of pieces) {
      for (const piece of this.#parser.push(bytes)) this.#take(piece);
      this.#waits = 1;
      if (this.#outputs.some(({ writableLength }) => writableLength > 0)) await this.flush();
      // Reading a file never waits: everything else gets its turn here.
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver() || this.position >= this.#until) return;
      this.#waits = 0;
      this.#heard = true;
      onTaken();
    }
  }

  get #outputs(): Writable[] {
    const { out, err } = this.#streams;
    return [...new Set([out.output, err.output])].filter((output) => output !== undefined);
  }

  /** Takes one piece; returns the output that cannot take more for the moment. */
  #take({ kind, offset, bytes }: RecordPiece): Writable | undefined {
    if (this.#end !== undefined && kind !== 'ping') {
      throw new GomoteError('ERR_REPLY', 'the log continues after its closing record');
    }
    if (kind === 'out' || kind === 'err') return this.#write(this.#streams[kind], offset, bytes);
    const json = bytes.toString();
    if (kind === 'time') this.#times.add(damagedUnless(this.#replies?.parseTimes(json)));
    if (kind === 'state') this.#tell(damagedUnless(this.#replies?.parseState(json)).standstill);
    if (kind === 'gap') this.#skip(damagedUnless(this.#replies?.parseGap(json)));
    if (kind === 'end') this.#end = damagedUnless(this.#replies?.parseSessionEnd(json));
    return undefined;
  }

  #write(stream: LogStream, offset: number, bytes: Buffer): Writable | undefined {
    if (stream.next < 0) stream.next = offset;
    if (offset > stream.next) throw new GomoteError('ERR_REPLY', 'the log skips some output');
    const fresh = bytes.subarray(stream.next - offset);
    if (fresh.length === 0) return undefined;
    stream.next += fresh.length;
    stream.digest.update(fresh);
    if (stream.output === undefined && this.#given.edit === undefined) return undefined;
    const name = stream === this.#streams.out ? 'stdout' : 'stderr';
    const shown = this.#given.edit?.(fresh, name, this.#times.at(this.position)) ?? fresh;
    return shown.length > 0 && stream.output?.write(shown) === false ? stream.output : undefined;
  }

  #tell(standstill: Standstill | undefined): void {
    const isStopped = standstill !== undefined;
    if (isStopped === this.#isStopped) return;
    this.#isStopped = isStopped;
    this.#given.onStandstill?.(standstill);
  }

  #skip(gap: Gap): void {
    if (gap.to < this.position) throw new GomoteError('ERR_REPLY', 'the log goes back');
    this.#parser.restart(gap.to);
    for (const [stream, to, name] of [
      [this.#streams.out, gap.stdout, 'stdout'],
      [this.#streams.err, gap.stderr, 'stderr'],
    ] as const) {
      const lost = stream.next < 0 ? 0 : Math.max(0, to - stream.next);
      stream.lost += lost;
      if (lost > 0) this.#given.onGap?.(lost, name);
      stream.next = Math.max(stream.next, to);
    }
  }

  /**
   * Whether all that the command wrote has been written here, by its counts and digests; false when that cannot be
   * told, because some was dropped or not asked for. Throws ERR_LOST when it is not so.
   */
  verify(end: SessionEnd): boolean {
    if (!this.#fromStart || this.lostBytes > 0) return false;
    for (const [name, stream, sum] of [
      ['stdout', this.#streams.out, end.stdout],
      ['stderr', this.#streams.err, end.stderr],
    ] as const) {
      checkStream(name, stream, sum);
    }
    return true;
  }

  /** Resolves when the outputs have written all they got. */
  async flush(): Promise<void> {
    for (const { output } of Object.values(this.#streams)) {
      await new Promise<void>((resolve, reject) => {
        if (output === undefined) return resolve();
        output.write('', (error) => (error ? reject(output.errored ?? error) : resolve()));
      });
    }
  }
}

function damagedUnless<T>(record: T | undefined): T {
  if (record !== undefined) return record;
  throw new GomoteError(
    'ERR_REPLY',
    'a record of the log is damaged, or not what the protocol says',
  );
}

const ignore = (): void => undefined;

/** Parses the records that hold JSON. Loading it takes longer than using it, so it is loaded in advance. */
export const loadReplies = () => import('../../protocol/session-replies.ts');
