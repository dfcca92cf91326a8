// One sandbox: bubblewrap around the process that starts commands, and the communication with that process.
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { errnoOf, GomoteError } from '../../errors.ts';
import { trySignal } from '../../files/process-file.ts';
import { lastLine, printable } from '../../printable.ts';
import {
  parseSandboxReport,
  type SandboxReport,
  type SandboxRequest,
  type SandboxSetup,
} from '../../protocol/sandbox.ts';
import type { Exit } from '../command/command.ts';
import { type SandboxView, sandboxArguments, sandboxProgram } from './bubblewrap.ts';
import { seccompProgram } from './seccomp.ts';

export interface SandboxOptions {
  readonly view: SandboxView;
  readonly setup: SandboxSetup;
  /** Words to put before bubblewrap, which limit the resources of all commands. */
  readonly prefix: readonly string[];
}

/** The descriptors of bubblewrap's report and of its arguments. It would pass those below 3 on to the command. */
const statusFd = 4;
const viewFd = 5;
/** The descriptor on which the first process in the sandbox reports that it is ready. */
const readyFd = 6;
/** The descriptor from which bubblewrap reads what the kernel is to refuse. */
const seccompFd = 7;
const announce = `echo >&${readyFd}; exec "$@" ${readyFd}>&-`;

/** How much of bubblewrap's messages is kept, in characters. */
const saidLimit = 4_096;

/** The answer to a request; undefined when the sandbox has ended. */
type Answer =
  | (Exclude<SandboxReport, { exited: unknown } | { accepted: unknown }> & {
      /** The handle that came with it. */
      readonly socket?: Socket | undefined;
    })
  | undefined;

const killed: Exit = { code: null, signal: 'SIGKILL' };

export class Sandbox {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  readonly #listeners = new Map<number, (socket: Socket) => void>();
  readonly #exits = new Map<number, (exit: Exit) => void>();
  /** Resolves when everything in it has ended. */
  readonly over: Promise<void>;
  /** The pid of the sandbox's first process, as seen here. */
  #firstPid: number | undefined;
  #said = '';
  #lastId = 0;
  isOver = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(0, saidLimit);
    });
    child.on('message', (message, handle) => {
      const report = parseSandboxReport(message);
      const socket = handle instanceof Socket ? handle : undefined;
      socket?.on('error', () => undefined);
      if (report === undefined) void this.end();
      else this.#take(report, socket);
    });
    const status = [...child.stdio].at(statusFd) as Readable | null | undefined;
    status?.setEncoding('utf8').on('data', (text: string) => {
      const [, pid] = /"child-pid": *([0-9]+)/.exec(text) ?? [];
      this.#firstPid ??= pid === undefined ? undefined : Number(pid);
    });
    // A command has closed the channel: nothing can be started in it any more.
    child.once('disconnect', () => void this.end());
    this.over = new Promise((resolve) => {
      const end = () => {
        this.#end();
        resolve();
      };
      child.once('exit', end).once('error', end);
    });
  }

  /** Creates a sandbox and waits until commands can be started in it. Throws ERR_CONFIG when that is not possible. */
  static async open(options: SandboxOptions): Promise<Sandbox> {
    const view = sandboxArguments(options.view).join('\0');
    const descriptors = [
      ...['--args', String(viewFd), '--json-status-fd', String(statusFd)],
      ...['--seccomp', String(seccompFd)],
    ];
    // Commands wait for the program to load, in the time that their client takes; a create waits for the sandbox alone.
    const program = ['/bin/sh', '-c', announce, 'sh', ...sandboxProgram];
    const words = [...options.prefix, 'bwrap', ...descriptors, '--', ...program];
    const [file = '', ...args] = words;
    const child = spawn(file, args, {
      cwd: '/',
      // The first process of the sandbox shows its environment to all others.
      env: { PATH: process.env.PATH },
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', 'pipe', 'pipe', 'pipe', 'pipe'],
    });
    const give = (fd: number, content: string | Buffer) => {
      const stream = [...child.stdio].at(fd) as Writable | null | undefined;
      stream?.on('error', () => undefined).end(content);
    };
    // Nor are they arguments: it shows those, too.
    give(viewFd, view);
    give(seccompFd, seccompProgram());
    let failure: unknown;
    child.once('error', (error) => {
      failure = error;
    });
    const announced = [...child.stdio].at(readyFd) as Readable | null | undefined;
    const ready = new Promise<void>((resolve) => announced?.once('data', () => resolve()));
    const sandbox = new Sandbox(child);
    sandbox.send({ setup: options.setup });
    await Promise.race([ready, sandbox.over]);
    if (!sandbox.isOver) return sandbox;
    throw refusal(failure, sandbox.#said);
  }

  nextId(): number {
    return ++this.#lastId;
  }

  send(request: SandboxRequest): void {
    if (this.#child.connected) this.#child.send(request, () => undefined);
  }

  /** Sends a request with an id of its own. Resolves with the answer. */
  ask(requestOf: (id: number) => SandboxRequest, id = this.nextId()): Promise<Answer> {
    return new Promise((resolve) => {
      if (this.isOver) return resolve(undefined);
      this.#answers.set(id, resolve);
      this.send(requestOf(id));
    });
  }

  /** Resolves with how the command of that id ended. It is killed when its sandbox ends. */
  exitOf(id: number): Promise<Exit> {
    return new Promise((resolve) => {
      if (this.isOver) resolve(killed);
      else this.#exits.set(id, resolve);
    });
  }

  /** Passes the connections of a listener in the sandbox. Call the result to stop. */
  onAccepted(id: number, take: (socket: Socket) => void): () => void {
    this.#listeners.set(id, take);
    return () => {
      this.#listeners.delete(id);
      this.send({ unlisten: { id } });
    };
  }

  #take(report: SandboxReport, socket: Socket | undefined): void {
    if ('accepted' in report) {
      const take = this.#listeners.get(report.id);
      if (socket !== undefined && take !== undefined) take(socket);
      else socket?.destroy();
      return;
    }
    if ('exited' in report) {
      this.#exits.get(report.id)?.(report.exited);
      this.#exits.delete(report.id);
      return;
    }
    if ('notStarted' in report) this.#exits.delete(report.id);
    const answer = this.#answers.get(report.id);
    this.#answers.delete(report.id);
    if (answer === undefined) socket?.destroy();
    else answer({ ...report, socket });
  }

  #end(): void {
    this.isOver = true;
    for (const resolve of this.#answers.values()) resolve(undefined);
    for (const resolve of this.#exits.values()) resolve(killed);
    this.#answers.clear();
    this.#exits.clear();
  }

  async end(): Promise<void> {
    if (this.isOver) return;
    // When its first process ends, the kernel has ended all others.
    if (this.#firstPid === undefined || !trySignal(this.#firstPid, 'SIGKILL')) {
      this.#child.kill('SIGKILL');
    }
    await this.over;
  }
}

function refusal(failure: unknown, said: string): GomoteError {
  const line = printable(lastLine(said) ?? '');
  const isMissing = errnoOf(failure) === 'ENOENT' || /bwrap: not found/.test(line);
  const why = isMissing ? 'bwrap is not installed' : line || 'it ended at once';
  return new GomoteError('ERR_CONFIG', `commands cannot be confined: ${why}`, {
    hint: isMissing
      ? 'install bubblewrap, or set isolation = "none", by which commands can do all that you can'
      : 'bubblewrap needs user namespaces; isolation = "none" does without, and commands can do all that you can',
  });
}
