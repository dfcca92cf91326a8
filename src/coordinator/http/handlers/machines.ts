// GET /machine/list, POST /machine/drain and /machine/undrain: the machines of the pools, for admins.
import { readForm, sendText, smallForm } from '../../../http/server/reply.ts';
import { formatMachine, formatMachines } from '../../../protocol/coordinator.ts';
import { contentTypes } from '../../../protocol/endpoints.ts';
import type { MachineAdmin } from '../../pools/machine-admin.ts';
import type { CoordinatorHandler } from '../server.ts';

export function machineList(machines: MachineAdmin): CoordinatorHandler {
  return ({ response }) => sendText(response, formatMachines(machines.list()), contentTypes.json);
}

export function drain(machines: MachineAdmin): CoordinatorHandler {
  return async ({ request, response }, user) => {
    const form = await readForm(request, smallForm);
    const note = form.get('note') ?? '';
    const row = await machines.drain(form.get('machine') ?? '', note, user.name);
    sendText(response, formatMachine(row), contentTypes.json);
  };
}

export function undrain(machines: MachineAdmin): CoordinatorHandler {
  return async ({ request, response }, user) => {
    const form = await readForm(request, smallForm);
    const row = await machines.undrain(form.get('machine') ?? '', user.name);
    sendText(response, formatMachine(row), contentTypes.json);
  };
}
