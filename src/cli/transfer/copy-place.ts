// Where gomote cp copies from and to: a path here, or NAME:PATH on a buildlet.
import { isAdHocHost } from '../../backends/ssh/ad-hoc.ts';

export interface CopyPlace {
  /** As typed. */
  readonly text: string;
  /** Absent: this machine. */
  readonly buildlet: string | undefined;
  /** Relative to the work directory, if it is on a buildlet. */
  readonly path: string;
}

/** `NAME:PATH` and `BACKEND/NAME:PATH`. One letter is a drive of Windows, and what begins with a dot is a path. */
const named = /^((?:[A-Za-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]+):(.*)$/s;
/** `TYPE@HOST[:PORT]:PATH`. */
const direct = /^([^:/\\]*@(?:\[[^\]]*\]|[^:/\\]+)(?::[0-9]+(?=:))?):(.*)$/s;
/** `ssh:HOST/NAME:PATH`; the host may have a port. */
const onHost = /^(ssh:(?:\/\/)?[^/]+\/[\w.-]+):(.*)$/s;

export function parseCopyPlace(text: string): CopyPlace {
  const [, buildlet, path = text] =
    (isAdHocHost(text) ? onHost.exec(text) : (named.exec(text) ?? direct.exec(text))) ?? [];
  return { text, buildlet, path };
}
