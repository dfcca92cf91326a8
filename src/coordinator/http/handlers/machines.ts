// GET /machine/list, POST /machine/drain and /machine/undrain: the machines of the pools, for admins.
import { readForm, sendText, smallForm } from '../../../http/server/reply.ts';
import {
  formatMachine,
  formatMachines,
  type MachineRecord,
} from '../../../protocol/coordinator.ts';
import { contentTypes } from '../../../protocol/endpoints.ts';
import type { MachineAdmin } from '../../pools/machine-admin.ts';
import type { User } from '../../state/user-records.ts';
import type { CoordinatorExchange, CoordinatorHandler } from '../server.ts';

export function machineList(machines: MachineAdmin): CoordinatorHandler {
  return ({ response }) => sendText(response, formatMachines(machines.list()), contentTypes.json);
}

export const drain = (machines: MachineAdmin): CoordinatorHandler =>
  changed((machine, note, by) => machines.drain(machine, note, by));

export const undrain = (machines: MachineAdmin): CoordinatorHandler =>
  changed((machine, _note, by) => machines.undrain(machine, by));

const changed =
  (change: (machine: string, note: string, by: string) => Promise<MachineRecord>) =>
  async ({ request, response }: CoordinatorExchange, user: User): Promise<void> => {
    const form = await readForm(request, smallForm);
    const row = await change(form.get('machine') ?? '', form.get('note') ?? '', user.name);
    sendText(response, formatMachine(row), contentTypes.json);
  };
