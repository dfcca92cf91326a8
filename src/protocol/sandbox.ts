// The messages between a buildlet and the process that starts commands in its sandbox: JSON over a child's IPC channel.
//
// Commands can reach that process, so every report is checked by the schema before use.
import * as v from 'valibot';
import type { ExecRequest } from './exec.ts';
import { parseTarget, type SocketTarget } from './forward.ts';
import { portList } from './port-list.ts';
import { count, text } from './reply-fields.ts';
import type { Subsystem, TerminalRequest } from './session.ts';
import { runUsage } from './session-replies.ts';

/** A request to the process in the sandbox; the first is `setup`. `run` identifies a start. */
export type SandboxRequest =
  | { readonly setup: SandboxSetup }
  | { readonly start: StartRequest }
  | { readonly end: { readonly id: number; readonly run: number; readonly graceMs: number } }
  | { readonly endAll: { readonly id: number; readonly graceMs: number } }
  | { readonly connect: { readonly id: number; readonly target: SocketTarget } }
  | { readonly listen: { readonly id: number; readonly target: SocketTarget } }
  | { readonly unlisten: { readonly id: number } }
  | { readonly ports: { readonly id: number } }
  | { readonly signal: { readonly run: number; readonly name: NodeJS.Signals } }
  | { readonly resize: { readonly run: number; readonly columns: number; readonly rows: number } };

export interface SandboxSetup {
  readonly workDir: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Words to put before each command, which limit its resources. */
  readonly prefix: readonly string[];
}

export interface StartRequest {
  readonly id: number;
  readonly request: Omit<ExecRequest, 'args'> & {
    readonly args: readonly string[];
    readonly tty?: TerminalRequest | undefined;
    readonly subsystem?: Subsystem | undefined;
  };
  /** The names of FIFOs; without stdin it gets /dev/null. */
  readonly stdin?: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const id = count;
const signalName = v.custom<NodeJS.Signals>(
  (value) => typeof value === 'string' && /^SIG[A-Z0-9+-]{1,16}$/.test(value),
);

const report = v.union([
  v.object({
    id,
    started: v.literal(true),
    debugLine: text(16 << 20),
  }),
  v.object({ id, notStarted: text(64 << 10) }),
  v.object({
    id,
    exited: v.object({
      code: v.nullable(v.pipe(count, v.maxValue(255))),
      signal: v.nullable(signalName),
      usage: v.optional(runUsage),
    }),
  }),
  v.object({ id, done: v.literal(true) }),
  // Reports about sockets: the first two come with a socket, the last when there is none.
  v.object({ id, connected: v.literal(true) }),
  v.object({ id, accepted: v.literal(true) }),
  v.object({
    id,
    listening: v.pipe(text(512), v.transform(parseTarget), v.custom<SocketTarget>(Boolean)),
  }),
  v.object({ id, refused: text(4096) }),
  v.object({ id, ports: portList }),
]);

/** A report of the process in the sandbox: the outcome of each request. */
export type SandboxReport = v.InferOutput<typeof report>;

/** As it is sent. */
export type SentReport = v.InferInput<typeof report>;

/** Reads a message from the sandbox; undefined when it is not a report. */
export function parseSandboxReport(message: unknown): SandboxReport | undefined {
  const result = v.safeParse(report, message, { abortEarly: true });
  return result.success ? result.output : undefined;
}
