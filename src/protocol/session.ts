// Sessions: runs that outlive connections. Names on the wire, the request that starts one, the closing record.
import { decodeExecForm, type ExecRequest, encodeExecForm } from './exec.ts';
import { decodeForm, encodeForm } from './form.ts';

/** Set on the reply that carries a session's log: its id. */
export const sessionHeader = 'Gomote-Session';

/** The body of a reply that is a log. */
export const logContentType = 'application/x-gomote-log';

/** The reply of an old buildlet, with status 404, to an unknown path. */
export const unknownPathText = '404 page not found';

/** The heartbeat interval of each side, in ms. A side that is silent for three intervals is considered dead. */
export const pingIntervalMs = 10_000;

/** The longest body of one request that carries input, in bytes. */
export const inputLimitBytes = 1 << 20;

export const isSessionId = (text: string): boolean => /^[A-Za-z0-9_-]{1,64}$/.test(text);

/** The size and kind of a terminal. */
export interface TerminalRequest {
  /** The value of TERM. */
  readonly term: string;
  /** Its width, in characters. */
  readonly columns: number;
  /** Its height, in lines. */
  readonly rows: number;
}

/** Programs of the buildlet's own that can be run. */
const subsystems = ['sftp'] as const;
/** A program of the buildlet's own. */
export type Subsystem = (typeof subsystems)[number];

/** The options of a session. */
interface SessionSettings {
  /** Runs this in place of the command, which only names it. Default: none. */
  subsystem?: Subsystem | undefined;
  /** Whether it takes input. Default: its standard input is empty. */
  stdin?: boolean | undefined;
  /** Whether stderr goes into the same pipe as stdout, which keeps their exact order. Default false. */
  merge?: boolean | undefined;
  /** Whether it continues without readers. Default false. */
  detach?: boolean | undefined;
  /** Run on a terminal of this kind. Default: none. */
  tty?: TerminalRequest | undefined;
  /** The time limit, in ms. Default, also 0 and Infinity: no limit. */
  timeoutMs?: number | undefined;
  /** The time limit without output, in ms. Default, also 0 and Infinity: no limit. */
  idleTimeoutMs?: number | undefined;
  /** The time between TERM and KILL when it is ended, in ms. Default 5,000. Infinity: no KILL. */
  killAfterMs?: number | undefined;
  /** How long it continues after its last reader has disconnected, in ms. Default 60,000. Infinity: until it ends. */
  graceMs?: number | undefined;
  /**
   * A regular expression of the syntax of Go: when a line of the output matches, the process group stops as by SIGSTOP, until
   * SIGCONT is sent, and the limits of time stand still. Default: it never stops. Needs the feature `break`.
   */
  breakOn?: string | undefined;
}

/** The longest regular expression that stops a command, in characters. */
export const breakLimit = 1_000;

/** The command of a run, and how it runs. */
export interface SessionRequest extends ExecRequest, SessionSettings {}

const durations = ['timeoutMs', 'idleTimeoutMs', 'killAfterMs', 'graceMs'] as const;
const switches = ['stdin', 'merge', 'detach'] as const;

export function encodeSessionForm(request: SessionRequest): string {
  const { tty } = request;
  const settings = encodeForm({
    ...Object.fromEntries(switches.map((name) => [name, request[name] ? '1' : undefined])),
    ...Object.fromEntries(
      durations.flatMap((name) => {
        const durationMs = request[name];
        return durationMs === undefined ? [] : [[name, formatDurationMs(durationMs)]];
      }),
    ),
    subsystem: request.subsystem,
    tty: tty?.term,
    columns: tty?.columns.toString(),
    rows: tty?.rows.toString(),
    break: request.breakOn,
  });
  return [encodeExecForm(request), settings].filter((part) => part !== '').join('&');
}

/** Whole milliseconds; Infinity becomes the largest value. */
export const formatDurationMs = (durationMs: number): string =>
  String(Math.min(Math.ceil(durationMs), Number.MAX_SAFE_INTEGER));

/** Reads the form. Returns the text of the reply for a request that must be refused. */
export function decodeSessionForm(body: string): SessionRequest | { refused: string } {
  const exec = decodeExecForm(body);
  if ('refused' in exec) return exec;
  const form = decodeForm(body);
  const settings: SessionSettings = {};
  for (const name of switches) settings[name] = form.get(name) === '1';
  for (const name of durations) {
    const text = form.get(name);
    if (text === null) continue;
    settings[name] = wholeNumber(text);
    if (settings[name] === undefined) return { refused: `bogus '${name}' parameter` };
  }
  settings.breakOn = form.get('break') ?? undefined;
  if (settings.breakOn !== undefined && settings.breakOn.length > breakLimit)
    return { refused: `bogus 'break' parameter: more than ${breakLimit} characters` };
  const subsystem = form.get('subsystem');
  if (subsystem !== null) {
    settings.subsystem = subsystems.find((one) => one === subsystem);
    if (settings.subsystem === undefined) return { refused: "bogus 'subsystem' parameter" };
  }
  const term = form.get('tty');
  if (term === null) return { ...exec, ...settings };
  const size = parseTerminalSize(form);
  if (size === undefined) return { refused: "bogus 'columns' or 'rows' parameter" };
  return { ...exec, ...settings, tty: { term, ...size } };
}

/** Reads `columns` and `rows`; undefined when they are not the size of a terminal. */
export function parseTerminalSize(
  form: URLSearchParams,
): { columns: number; rows: number } | undefined {
  const columns = wholeNumber(form.get('columns') ?? '', 0xffff);
  const rows = wholeNumber(form.get('rows') ?? '', 0xffff);
  return columns && rows ? { columns, rows } : undefined;
}

/** A decimal number up to the limit, else undefined. */
export function wholeNumber(text: string, limit = Number.MAX_SAFE_INTEGER): number | undefined {
  const number = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return number <= limit ? number : undefined;
}

/** The output of a session to one stream, whether or not it is still in the log. */
export interface StreamSum {
  /** How many bytes it wrote. */
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/**
 * Why a session ended: by itself, by a signal, by a limit (`timeout`, `idle`), on request or for
 * lack of readers (`killed`), by the kernel for lack of memory, never started, or because its log could not be written.
 */
export type EndReason =
  | 'exit'
  | 'signal'
  | 'timeout'
  | 'idle'
  | 'killed'
  | 'memory'
  | 'not-started'
  | 'log';

export const endReasons: readonly EndReason[] = [
  'exit',
  'signal',
  'timeout',
  'idle',
  'killed',
  'memory',
  'not-started',
  'log',
];

/** The variable by which a command asks for no network, as in Go's buildlet. */
export const closedNetworkVariable = 'GO_DISABLE_OUTBOUND_NETWORK';

/** How a command's network access was blocked: it has only a loopback interface, or the machine's firewall has Go's rules. */
export type ClosedBy = 'none' | 'firewall';
export const networkClosings: readonly ClosedBy[] = ['none', 'firewall'];

/** How the memory of a run was measured: by its control group, or by sampling its processes. */
export const memoryMeasures = ['cgroup', 'sampled'] as const;

/** The resources that a run used, as far as the machine reports them. */
export interface RunUsage {
  /** CPU time, user and system, of the command and of all processes that were waited for, in ms. */
  readonly cpuMs: number;
  /** The peak memory of its processes together; absent when unknown, for example for very short runs. */
  readonly peakMemoryBytes?: number | undefined;
  /** How that was measured. */
  readonly memoryBy?: (typeof memoryMeasures)[number] | undefined;
}

/** How a session ended: the last record of its log. */
export interface SessionEnd {
  /** The exit status; null when a signal ended it. */
  readonly code: number | null;
  /** Such as SIGKILL. */
  readonly signal: string | null;
  /** What made it end. */
  readonly why: EndReason;
  /** As in the trailer `Process-State` of `/exec`. */
  readonly state: string;
  /** Why the log is incomplete. */
  readonly error?: string | undefined;
  /** How its network access was blocked; absent: it was not. */
  readonly network?: ClosedBy | undefined;
  /** The resources it used; absent when unknown. */
  readonly usage?: RunUsage | undefined;
  /** RFC 3339. */
  readonly started: string;
  /** RFC 3339. */
  readonly ended: string;
  /** How long it ran, in ms. */
  readonly durationMs: number;
  /** What it wrote to standard output. */
  readonly stdout: StreamSum;
  /** What it wrote to standard error. */
  readonly stderr: StreamSum;
}

/** Why the processes of a session are stopped: a line of output matched, or STOP was sent. */
export const standstillCauses = ['break', 'signal'] as const;

/** The stopped state of a session's processes. */
export interface Standstill {
  /** What stopped them. */
  readonly by: (typeof standstillCauses)[number];
}

/** A session in the reply of `GET /sessions`. */
export interface SessionInfo {
  /** The id for `sessions.get`. */
  readonly id: string;
  /** The command with its arguments; bytes that are not UTF-8 are as in the names of files. */
  readonly command: readonly string[];
  /** Whether it has not ended yet. */
  readonly running: boolean;
  /** Whether it continues, however long it has no reader. */
  readonly detached: boolean;
  /** Whether it runs on a terminal. */
  readonly tty: boolean;
  /** Whether its processes are stopped until SIGCONT is sent. Absent: no. */
  readonly stopped?: boolean | undefined;
  /** How many readers hold it back. */
  readonly readers: number;
  /** RFC 3339. */
  readonly started: string;
  /** Log offset of its end. */
  readonly logBytes: number;
  /** How much input it has received. */
  readonly stdinBytes: number;
  /** How it ended; absent while it runs. */
  readonly end?: SessionEnd | undefined;
}
