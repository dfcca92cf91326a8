// The commands of an admin on the coordinator's machine: users, and the machines of the coordinator that runs.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { formatDuration } from '../duration.ts';
import { GomoteError, messageOf } from '../errors.ts';
import { printable } from '../printable.ts';
import type { MachineRecord } from '../protocol/coordinator.ts';
import { labelText } from '../protocol/labels.ts';
import { timeoutSignal } from '../timeout-signal.ts';
import type { CoordinatorConfig } from './config.ts';
import type { CoordinatorCommand } from './options.ts';
import { operatorClient } from './state/operator-access.ts';
import { prepareStateDirectory, usersPathOf } from './state/state-directory.ts';
import { Users } from './state/users.ts';

type AdminCommand = Exclude<
  CoordinatorCommand,
  { kind: 'help' | 'version' | 'serve' | 'check' | 'reload' | 'usage' | 'history' }
>;

type Print = (text: string) => Promise<void>;

/** The time limit for the running coordinator to answer, in ms. */
const answerTimeoutMs = 60_000;

export async function administer(
  command: AdminCommand,
  { stateDirectory, usersFile }: CoordinatorConfig,
  print: Print,
): Promise<void> {
  switch (command.kind) {
    case 'machine-list':
    case 'machine-drain':
    case 'machine-undrain':
      becomeOwner(usersPathOf(stateDirectory));
      return await manageMachines(command, stateDirectory, print);
  }
  const usersPath = usersFile ?? usersPathOf(stateDirectory);
  const by = localName();
  becomeOwner(usersPath);
  if (usersFile === undefined) await prepareStateDirectory(stateDirectory);
  const users = new Users(usersPath, { by });
  switch (command.kind) {
    case 'user-add':
      return await print(`${await users.add(command.name, command.changes)}\n`);
    case 'user-set':
      return await users.set(command.name, command.changes);
    case 'user-rotate': {
      const { name, changes, overlapMs } = command;
      return await print(`${await users.rotate(name, { ...changes, overlapMs })}\n`);
    }
    case 'user-remove':
      return await removeUser(users, command, stateDirectory, print);
    case 'user-list':
      return await print(users.list().map(userLine).join(''));
  }
}

function userLine(user: ReturnType<Users['list']>[number]): string {
  const role = user.isMonitor ? 'metrics' : user.isAdmin ? 'admin' : 'user';
  const end = user.expiresMs === undefined ? '' : new Date(user.expiresMs).toISOString();
  return `${[user.name, role, user.created, user.maximum ?? '', end, user.priority ?? ''].join('\t').trimEnd()}\n`;
}

type RemoveCommand = Extract<AdminCommand, { kind: 'user-remove' }>;

/** A user with buildlets is removed only with --end or --keep. */
async function removeUser(
  users: Users,
  { name, buildlets }: RemoveCommand,
  stateDirectory: string,
  print: Print,
): Promise<void> {
  const own = buildlets === undefined ? buildletsOf(name, stateDirectory) : [];
  if (own.length > 0 && users.has(name)) {
    throw new GomoteError('ERR_USAGE', `"${name}" has buildlets: ${own.join(' ')}`, {
      hint: 'give --end to end them, or --keep to leave them until their time is over',
    });
  }
  if (buildlets !== 'end') return await users.remove(name);
  // Check first: without a running coordinator nothing can be ended.
  const client = operatorClient(stateDirectory);
  try {
    const call = { signal: timeoutSignal(answerTimeoutMs), health: true, everybody: true };
    await client.remoteBuildlets(call);
    await users.remove(name);
    const all = await client.remoteBuildlets(call);
    const failures: string[] = [];
    for (const { name: buildlet, user } of all) {
      if (user !== `user-${name}`) continue;
      const link = client.namedBuildlet(buildlet);
      await link.halt({ signal: timeoutSignal(answerTimeoutMs) }).then(
        () => print(`ended ${buildlet}\n`),
        (error: unknown) => failures.push(`${buildlet}: ${messageOf(error)}`),
      );
      await link.disconnect();
    }
    if (failures.length === 0) return;
    throw new GomoteError(
      'ERR_STATUS',
      `"${name}" was removed, but not ended were: ${failures.join('; ')}`,
    );
  } finally {
    await client.disconnect();
  }
}

/** The users of the file, whether or not a coordinator is running. */
function buildletsOf(owner: string, stateDirectory: string): string[] {
  const directory = join(stateDirectory, 'sessions');
  if (!existsSync(directory)) return [];
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  return files.flatMap((file) => {
    try {
      const session = JSON.parse(readFileSync(join(directory, file), 'utf8'));
      return session?.owner === owner ? [file.replace(/\.json$/, '')] : [];
    } catch {
      // It has ended meanwhile, or is damaged, which the coordinator reports.
      return [];
    }
  });
}

type MachineCommand = Extract<
  AdminCommand,
  { kind: 'machine-list' | 'machine-drain' | 'machine-undrain' }
>;

async function manageMachines(
  command: MachineCommand,
  stateDirectory: string,
  print: Print,
): Promise<void> {
  const client = operatorClient(stateDirectory);
  const call = { signal: timeoutSignal(answerTimeoutMs) };
  try {
    if (command.kind === 'machine-list') {
      const rows = await client.machines(call);
      return await print(
        command.isJson ? `${JSON.stringify(rows, undefined, 2)}\n` : rows.map(machineLine).join(''),
      );
    }
    const row =
      command.kind === 'machine-drain'
        ? await client.drain(command.name, command.note, call)
        : await client.undrain(command.name, call);
    await print(machineLine(row));
  } finally {
    await client.disconnect();
  }
}

/** Tab-separated fields: machine, host type, state, user, buildlet, problem, and labels. */
function machineLine(row: MachineRecord): string {
  const { since, reason, drained, buildlet, owner } = row;
  const sinceText = (date: Date) => formatDuration(Math.max(0, Date.now() - date.getTime()));
  const note = drained?.note ? `: ${drained.note}` : '';
  const remarks = [
    ...(drained === undefined ? [] : [`drained for ${sinceText(drained.since)}${note}`]),
    ...(since === undefined ? [] : [`${row.state} for ${sinceText(since)}`]),
  ];
  const state = drained === undefined ? row.state : `${row.state}, drained`;
  const labels = Object.entries(row.labels ?? {}).map(labelText);
  const fields = [
    row.machine,
    row.hostType,
    state,
    owner,
    buildlet,
    [remarks.join('; '), reason].filter(Boolean).join(': '),
    labels.join(' '),
  ];
  return `${fields
    .map((field) => printable(field ?? ''))
    .join('\t')
    .trimEnd()}\n`;
}

/** Who runs the command, for the audit trail; of root also who became root. */
function localName(): string {
  const { SUDO_USER, DOAS_USER } = process.env;
  const before = process.getuid?.() === 0 ? (SUDO_USER ?? DOAS_USER) : undefined;
  return `local:${systemName()}${before === undefined ? '' : ` (${before})`}`;
}

function systemName(): string {
  try {
    return userInfo().username;
  } catch {
    // The system has no name for it, as in many containers.
    return `${process.getuid?.()}`;
  }
}

/** As root, acts as the owner of the file or its directory, so that a coordinator of that user can still read it. */
function becomeOwner(path: string): void {
  if (process.getuid?.() !== 0) return;
  const found = [path, dirname(path)]
    .map((one) => statSync(one, { throwIfNoEntry: false }))
    .find((one) => one !== undefined);
  if (found === undefined) return;
  process.setgroups?.([found.gid]);
  if (found.uid === 0) return;
  process.setgid?.(found.gid);
  process.setuid?.(found.uid);
}
