// Ends a process group, and on Linux also processes that left it but still carry its mark.
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { readOfProcess, trySignal } from '../../files/process-file.ts';
import { commandVariable } from './environment.ts';

/** How often to check whether processes have ended. */
const pollMs = 20;

/** How long to wait for processes to end after KILL. */
const killWaitMs = 2_000;

export interface SweepTarget {
  /** The process group's id; absent: only marked processes. */
  readonly groupId?: number | undefined;
  /** Processes whose GOMOTE_COMMAND begins with this are ended too. */
  readonly markPrefix: string;
}

/** Sends TERM to all of the target, waits up to `graceMs` for its end, then sends KILL. */
export async function endProcesses(target: SweepTarget, graceMs: number): Promise<void> {
  if (graceMs > 0) {
    const left = await signalAll(target, 'SIGTERM');
    if (left === 0 || (await areGone(target, graceMs))) return;
  }
  await signalAll(target, 'SIGKILL');
  await areGone(target, killWaitMs, 'SIGKILL');
}

/** Sends one signal to the process group, or to the marked processes if there is none. */
export async function signalProcesses(target: SweepTarget, signal: NodeJS.Signals): Promise<void> {
  if (target.groupId === undefined) await signalAll(target, signal);
  else trySignal(-target.groupId, signal);
}

async function areGone(
  target: SweepTarget,
  withinMs: number,
  again: NodeJS.Signals | 0 = 0,
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    // A process may have been forked while the signals were sent: send KILL again.
    if ((await signalAll(target, again)) === 0) return true;
    if (performance.now() > deadline) return false;
    await sleep(pollMs);
  }
}

/** Signals each process of the target and returns their number; signal 0 only counts. */
export async function signalAll(target: SweepTarget, signal: NodeJS.Signals | 0): Promise<number> {
  let count = 0;
  if (target.groupId !== undefined && trySignal(-target.groupId, signal)) count++;
  for (const pid of await markedProcesses(target.markPrefix)) {
    if (trySignal(pid, signal)) count++;
  }
  return count;
}

/** The processes whose environment carries the mark; zombies have none. Empty where there is no /proc. */
export async function markedProcesses(markPrefix: string): Promise<number[]> {
  const wanted = Buffer.from(`${commandVariable}=${markPrefix}`);
  const names = await readdir('/proc').catch(() => []);
  const found: number[] = [];
  for (const name of names) {
    if (!/^[0-9]+$/.test(name)) continue;
    // A process that cannot be read belongs to another user or has just ended.
    const environment = await readOfProcess(name, 'environ');
    if (environment !== undefined && hasVariable(environment, wanted)) found.push(Number(name));
  }
  return found;
}

/** Whether one of the variables begins with this: there may be several of the same name. */
const hasVariable = (environment: Buffer, wanted: Buffer): boolean =>
  environment.indexOf(wanted) === 0 || environment.includes(Buffer.concat([nul, wanted]));

const nul = Buffer.alloc(1);
