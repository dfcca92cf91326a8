// A run that writes a bundle when it fails.
import type { SessionEnd } from '../../protocol/session.ts';
import type { CommandEnd } from '../run/run.ts';
import { OutputRecorder } from './recorder.ts';
import { type FailedRun, writeBundle } from './write-bundle.ts';

/** Facts about a run that become known while it is running. */
export interface Noted {
  readonly recorder: OutputRecorder;
  end?: SessionEnd | undefined;
}

interface BundledOptions {
  readonly file: string;
  readonly signal: AbortSignal;
  /** Whether it was left running. */
  readonly isLeft: () => boolean;
}

/** Runs it. Throws ERR_LOCAL_FILE when the command failed and the bundle cannot be written. */
export async function bundled(
  run: Omit<FailedRun, keyof Noted>,
  { file, signal, isLeft }: BundledOptions,
  work: (noted: Noted) => Promise<CommandEnd>,
): Promise<CommandEnd> {
  const noted: Noted = { recorder: new OutputRecorder() };
  const write = (error?: unknown) =>
    writeBundle(file, { ...run, end: noted.end, recorder: noted.recorder, error }, signal);
  let ended: CommandEnd;
  try {
    ended = await work(noted);
  } catch (error) {
    // The error of the run is more important than that of the bundle.
    if (!isLeft()) await write(error).catch(() => undefined);
    throw error;
  }
  if (ended.exitCode !== 0) await write();
  return ended;
}
