// The trailer `Process-State`: how a command ended, or why it never started.
import { endingSignal, signalByText } from './signals.ts';

/** How a command ended, or why it did not start. */
type ProcessState =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'signaled'; readonly signal: string; readonly signalNumber: number }
  | { readonly kind: 'not-started'; readonly reason: 'not-found' | 'not-executable' | 'other' };

/** The trailer of a command that exited or was ended by a signal; `signal` is Node's name for it. */
export function formatProcessState(exitCode: number | null, signal: string | null): string {
  if (signal !== null) return `signal: ${endingSignal(signal)?.text ?? signal}`;
  return exitCode === 0 ? 'ok' : `exit status ${exitCode}`;
}

/** The largest exit status of any system: 2^32 - 1 on Windows. */
export const largestStatus = 0xffff_ffff;

/**
 * Reads the trailer; undefined when it is empty or impossible, such as signal 128: then it is unknown how
 * the command ended. Any other unknown text means that the command did not start.
 */
export function parseProcessState(text: string): ProcessState | undefined {
  if (text === '') return undefined;
  if (text === 'ok') return { kind: 'exited', exitCode: 0 };
  if (/^exit status\b/.test(text)) return parseStatus(text);
  if (text.startsWith('signal:')) return parseSignal(text);
  return { kind: 'not-started', reason: notStartedReason(text) };
}

/** Windows prints codes such as 0xc0000005 in hexadecimal. */
function parseStatus(text: string): ProcessState | undefined {
  const exitCode = Number(/^exit status ([0-9]+|0x[0-9a-fA-F]+)$/.exec(text)?.[1]);
  return exitCode <= largestStatus ? { kind: 'exited', exitCode } : undefined;
}

function parseSignal(text: string): ProcessState | undefined {
  const words = /^signal: (.*?)(?: \(core dumped\))?$/.exec(text)?.[1];
  const signal = signalByText(words ?? '');
  return signal && { kind: 'signaled', signal: signal.name, signalNumber: signal.number };
}

function notStartedReason(text: string): 'not-found' | 'not-executable' | 'other' {
  if (text.startsWith('chdir ')) return 'other';
  if (/(?:no such file or directory|executable file not found in \S+)$/.test(text)) {
    return 'not-found';
  }
  if (/(?:permission denied|exec format error|is a directory)$/.test(text)) {
    return 'not-executable';
  }
  return 'other';
}

/** The messages for a command that did not start, as in Go's os/exec, which has no terminals. */
export const notStarted = {
  notOnPath: (command: string) =>
    `exec: ${JSON.stringify(command)}: executable file not found in $PATH`,
  exec: (file: string, reason: string) => `fork/exec ${file}: ${reason}`,
  chdir: (directory: string, reason: string) => `chdir ${directory}: ${reason}`,
  left: 'whoever asked for it has left',
  noTerminal:
    'no terminal to be had there: all are in use (see /proc/sys/kernel/pty/max), or /dev/pts is not mounted; run without -t',
  noTerminals: 'no terminals there: the optional package @lydell/node-pty is missing',
};

const reasons: Record<string, string> = {
  E2BIG: 'argument list too long',
  EACCES: 'permission denied',
  EAGAIN: 'resource temporarily unavailable',
  EBADF: 'bad file descriptor',
  EDQUOT: 'disk quota exceeded',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'file name too long',
  ENFILE: 'too many open files in system',
  ENOENT: 'no such file or directory',
  ENOEXEC: 'exec format error',
  ENOMEM: 'cannot allocate memory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
  ETXTBSY: 'text file busy',
};

/** The system error at the end of the text, after a colon. */
export const errnoTextAtEnd = (text: string): string | undefined =>
  Object.values(reasons).find((reason) => text.endsWith(`: ${reason}`));

/** The C library's text of a system error, as Go prints it; the code itself when it is not a common one. */
export const errnoText = (code: string): string => reasons[code] ?? code;
