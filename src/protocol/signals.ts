// The C library's texts for signals, as Go prints them in `signal: <text>`, and their names and Linux numbers.

interface SignalInfo {
  readonly name: string;
  /** The number on Linux, for the exit status 128+n. */
  readonly number: number;
  readonly text: string;
}

const rows: ReadonlyArray<readonly [name: string, number: number, text: string]> = [
  ['SIGHUP', 1, 'hangup'],
  ['SIGINT', 2, 'interrupt'],
  ['SIGQUIT', 3, 'quit'],
  ['SIGILL', 4, 'illegal instruction'],
  ['SIGTRAP', 5, 'trace/breakpoint trap'],
  ['SIGABRT', 6, 'aborted'],
  ['SIGBUS', 7, 'bus error'],
  ['SIGFPE', 8, 'floating point exception'],
  ['SIGKILL', 9, 'killed'],
  ['SIGUSR1', 10, 'user defined signal 1'],
  ['SIGSEGV', 11, 'segmentation fault'],
  ['SIGUSR2', 12, 'user defined signal 2'],
  ['SIGPIPE', 13, 'broken pipe'],
  ['SIGALRM', 14, 'alarm clock'],
  ['SIGTERM', 15, 'terminated'],
  ['SIGSTKFLT', 16, 'stack fault'],
  ['SIGCHLD', 17, 'child exited'],
  ['SIGCONT', 18, 'continued'],
  ['SIGSTOP', 19, 'stopped (signal)'],
  ['SIGTSTP', 20, 'stopped'],
  ['SIGTTIN', 21, 'stopped (tty input)'],
  ['SIGTTOU', 22, 'stopped (tty output)'],
  ['SIGURG', 23, 'urgent I/O condition'],
  ['SIGXCPU', 24, 'CPU time limit exceeded'],
  ['SIGXFSZ', 25, 'file size limit exceeded'],
  ['SIGVTALRM', 26, 'virtual timer expired'],
  ['SIGPROF', 27, 'profiling timer expired'],
  ['SIGWINCH', 28, 'window changed'],
  ['SIGIO', 29, 'I/O possible'],
  ['SIGPWR', 30, 'power failure'],
  ['SIGSYS', 31, 'bad system call'],
];

/** The number of signals on Linux, real-time signals included. */
const lastSignal = 64;

export const signals: readonly SignalInfo[] = rows.map(([name, number, text]) => ({
  name,
  number,
  text,
}));

/** Node's other names for signals in the table. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['SIGIOT', 'SIGABRT'],
  ['SIGPOLL', 'SIGIO'],
]);

export function signalByName(name: string): SignalInfo | undefined {
  const wanted = aliases.get(name) ?? name;
  return signals.find((signal) => signal.name === wanted);
}

/** Also `SIG34` for a signal without a name, which can end a command, but which Node cannot send. */
export const endingSignal = (name: string): SignalInfo | undefined =>
  signalByName(name) ?? signalByNumber(/^SIG([0-9]{1,2})$/.exec(name)?.[1]);

/** Reads Go's text of a signal, also `signal 34` for one without a name. */
export function signalByText(text: string): SignalInfo | undefined {
  return (
    signals.find((signal) => signal.text === text) ??
    signalByNumber(/^signal ([0-9]{1,2})$/.exec(text)?.[1])
  );
}

/** Undefined for an invalid number. */
function signalByNumber(digits: string | undefined): SignalInfo | undefined {
  const number = Number(digits);
  if (!(number > 0 && number <= lastSignal)) return undefined;
  return (
    signals.find((signal) => signal.number === number) ?? {
      ...{ name: `SIG${number}`, number, text: `signal ${number}` },
    }
  );
}
