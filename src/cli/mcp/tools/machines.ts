// Tools for machines: create, list, forward, destroy.
import * as v from 'valibot';
import { GomoteError } from '../../../errors.ts';
import { count, machine, text } from '../inputs.ts';
import type { Machine } from '../machines.ts';
import { tool } from '../tool.ts';

const tellOf = ({ buildlet, made, forwards }: Machine) => ({
  machine: buildlet.name,
  ...(made && { type: made.type, endsAt: made.endsAt.toISOString() }),
  forwards: forwards.map(({ from, to }) => `${from} -> ${to}`),
});

const lineOf = (one: Machine): string => {
  const { machine: name, type, endsAt, forwards } = tellOf(one);
  const what = type === undefined ? 'stays' : `${type}, ends at ${endsAt}`;
  return [`${name} (${what})`, ...forwards.map((forward) => `  ${forward}`)].join('\n');
};

export const create = tool({
  name: 'create',
  description:
    'Make a fresh build machine and wait until it answers. It ends by itself when its time is over or the session ends. Then push the project, and run commands.',
  input: v.strictObject({
    type: v.optional(text('Type of machine; list tells which there are.')),
  }),
  hints: { destructiveHint: false },
  call: async ({ type }, call, { machines }) => {
    const made = await machines.create(type, call);
    return { text: `created ${lineOf(made)}`, data: tellOf(made) };
  },
});

export const list = tool({
  name: 'list',
  description: 'List your machines, the types that can be made, and the limits.',
  input: v.strictObject({}),
  hints: { readOnlyHint: true },
  call: async (_given, { signal }, { machines, root }) => {
    const { limits } = machines;
    const all = machines.list();
    const types = await machines.types(signal);
    const unused = limits.on.filter((name) => !all.some(({ buildlet }) => buildlet.name === name));
    const lines = [
      `machines (${limits.machines} at most): ${all.length + unused.length === 0 ? 'none' : ''}`,
      ...all.map(lineOf),
      ...unused.map((name) => `${name} (stays)`),
      `types: ${types.join(', ')}`,
      `project here: ${root}`,
    ];
    const names = [...all.map(tellOf), ...unused.map((name) => ({ machine: name, forwards: [] }))];
    return { text: lines.join('\n'), data: { machines: names, types, most: limits.machines } };
  },
});

const mostForwards = 16;

export const forward = tool({
  name: 'forward',
  description:
    'Make a TCP port of a machine reachable on this computer, at 127.0.0.1, until the machine ends. Answers with the address.',
  input: v.strictObject({
    machine,
    port: count('The port there.', 1, 65_535),
    local_port: v.optional(count('The port here; 0: any that is free.', 0, 65_535), 0),
  }),
  hints: { destructiveHint: false },
  call: async ({ machine, port, local_port }, _call, { machines }) =>
    await machines.use(machine, async ({ buildlet, forwards }) => {
      if (forwards.length >= mostForwards) {
        throw new GomoteError('ERR_QUOTA', `${mostForwards} ports of ${buildlet.name} are carried`);
      }
      const opened = await buildlet.forward(`${local_port}:${port}`);
      forwards.push(opened);
      const drop = () => void forwards.splice(forwards.indexOf(opened), 1);
      opened.ended.then(drop, drop);
      const data = { machine: buildlet.name, address: opened.from, port };
      return { text: `${opened.from} -> port ${port} of ${buildlet.name}`, data };
    }),
});

export const destroy = tool({
  name: 'destroy',
  description: 'End a machine that you made, with all that is on it.',
  input: v.strictObject({ machine: text('Name of the machine.') }),
  hints: { destructiveHint: true },
  call: async ({ machine }, _call, { machines }) => {
    await machines.destroy(machine);
    return { text: `destroyed ${machine}`, data: { machine } };
  },
});
