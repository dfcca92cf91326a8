// gomote once: creates machines, pushes a tree, runs a command, fetches files, destroys the machines. Here is the order, and what
// signals do; the phases are shared with other commands.
import type { Context } from '../context.ts';
import { exitCodes, runFailureCode, signalCode } from '../exit-codes.ts';
import { writeReport } from '../run/run-report.ts';
import { printJson } from '../terminal/terminal.ts';
import { destroyUnused, type Machine, machineThere, makeMachines } from './machines.ts';
import { Part } from './part.ts';
import type { OnceSpec } from './spec.ts';

export async function once(spec: OnceSpec, context: Context): Promise<number> {
  const startedAtMs = performance.now();
  const release = takeSignals(context);
  const parts = new Map<string, Part>();
  let code: number | undefined;
  let machines: readonly Machine[] = [];
  try {
    const { on } = spec;
    machines = on === undefined ? await makeMachines(spec, context) : [machineThere(on)];
    code = await runAll(machines, parts, spec, context);
    return code;
  } catch (error) {
    const { received } = context.interrupts;
    code = received === undefined ? runFailureCode(error) : signalCode(received);
    throw error;
  } finally {
    release();
    const done = machines.flatMap(({ name }) => parts.get(name) ?? []);
    await report(code ?? exitCodes.unknown, done, startedAtMs, spec, context);
  }
}

/** With several machines, each has its own lines of output, and a failure of one does not stop the others. */
async function runAll(
  machines: readonly Machine[],
  parts: Map<string, Part>,
  spec: OnceSpec,
  context: Context,
): Promise<number> {
  const runOne = async (machine: Machine, one: Context): Promise<number> => {
    const part = new Part(machine, spec, one);
    parts.set(machine.name, part);
    return await part.run();
  };
  const { terminal } = context;
  // Standard output is for the report.
  const toStderr = { stdout: { get: () => terminal.stderr }, isOutputShared: { value: true } };
  const shown = spec.json ? context.withTerminal(toStderr) : context;
  const [only] = machines;
  if (only !== undefined && machines.length === 1) return await runOne(only, shown);
  const { fanOut } = await import('../fan-out/fan-out.ts');
  const byName = new Map(machines.map((machine) => [machine.name, machine]));
  try {
    const work = async (name: string, one: Context) => {
      const machine = byName.get(name);
      if (machine !== undefined) one.exitCode = await runOne(machine, one);
    };
    return await fanOut([...byName.keys()], work, {}, shown);
  } finally {
    // A signal came before their turn.
    const unused = machines.filter(({ name }) => !parts.has(name));
    await destroyUnused(unused, context);
  }
}

/**
 * The first signal cancels the current phase, or goes to the command if one runs. Then the machines are destroyed. A second signal
 * does not change that. A third ends this process at once; machines that are held then end by themselves.
 */
function takeSignals({ interrupts, messages }: Context): () => void {
  let count = 0;
  return interrupts.take((name) => {
    count++;
    if (count === 1) return interrupts.cancel(name);
    messages.remark('what was made is being ended; the same again does not wait for that');
    interrupts.giveUp(name);
  });
}

async function report(
  code: number,
  parts: readonly Part[],
  startedAtMs: number,
  { json, timingJson }: OnceSpec,
  { terminal }: Context,
): Promise<void> {
  if (!json && timingJson === undefined) return;
  const durationMs = Math.round(performance.now() - startedAtMs);
  const all = { code, durationMs, machines: parts.map((part) => part.report()) };
  if (timingJson !== undefined) writeReport(timingJson, all, '--timing-json');
  if (json) await printJson(terminal, all);
}
