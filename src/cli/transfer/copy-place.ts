// The source and target of gomote cp: a local path, or NAME:PATH on a buildlet.
import { isAdHocHost } from '../../backends/ssh/ad-hoc.ts';

export interface CopyPlace {
  readonly text: string;
  /** The buildlet. Absent: this machine. */
  readonly buildlet: string | undefined;
  /** The path; on a buildlet relative to the work directory. */
  readonly path: string;
}

/** `NAME:PATH` and `BACKEND/NAME:PATH`. A single letter is a Windows drive, and text that begins with a dot is a path. */
const named = /^((?:[A-Za-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]+):(.*)$/s;
/** `TYPE@HOST[:PORT]:PATH`. */
const direct = /^([^:/\\]*@(?:\[[^\]]*\]|[^:/\\]+)(?::[0-9]+(?=:))?):(.*)$/s;
/** `ssh:HOST/NAME:PATH`; the host may include a port. */
const onHost = /^(ssh:(?:\/\/)?[^/]+\/[\w.-]+):(.*)$/s;

export function parseCopyPlace(text: string): CopyPlace {
  const [, buildlet, path = text] =
    (isAdHocHost(text) ? onHost.exec(text) : (named.exec(text) ?? direct.exec(text))) ?? [];
  return { text, buildlet, path };
}
