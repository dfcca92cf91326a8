// What commands can do on machines without a sandbox: their cells of the table in docs/SECURITY.md.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { Collector } from '../helpers/collect.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { processesWith, until } from '../helpers/processes.ts';
import { workshop } from '../helpers/programs.ts';
import { dialling, reversePool } from '../helpers/reverse.ts';
import { giveFile, labWithUser } from '../helpers/ssh-workshop.ts';
import { hasSshd, isRoot, sshUser } from '../helpers/sshd.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

interface Machine {
  /** A directory of the user whose rights commands have, outside of the work directory. */
  readonly home: string;
  /** The user's id where it is not that of this process. */
  readonly uid?: number;
  /** What a shell there prints. */
  shell(script: string): Promise<string>;
  end(): Promise<unknown>;
}

async function localMachine(): Promise<Machine> {
  const { create, gomote, directory } = workshop();
  const name = await create();
  return {
    home: directory,
    shell: async (script) => (await gomote('run', name, 'sh', '-c', script)).stdout.toString(),
    end: () => gomote('destroy', name),
  };
}

async function sshMachine(): Promise<Machine> {
  const { host, succeed, gomote, user } = await labWithUser();
  const name = await succeed('create', host);
  return {
    home: user.home,
    uid: Number(await succeed('run', name, 'id', '-u')),
    shell: async (script) => (await gomote('run', name, 'sh', '-c', script)).stdout.toString(),
    end: () => gomote('destroy', name),
  };
}

const machineOf = (client: BuildletClient): Machine => ({
  home: temporaryDirectory(),
  shell: async (script) => {
    const output = new Collector();
    await client.exec('/bin/sh', { systemLevel: true, output, args: ['-c', script] });
    return output.text;
  },
  end: () => client.halt(),
});

async function staticMachine(): Promise<Machine> {
  const { client } = await startCoordinator({ machines: 1 });
  return machineOf(await client('me').createBuildlet('linux'));
}

async function reverseMachine(): Promise<Machine> {
  const { client, url, fingerprint } = await startCoordinator({
    sections: reversePool,
    prepare: (at) => writeFileSync(join(at, 'keys'), 'the-key\n', { mode: 0o600 }),
  });
  await dialling(url, { trust: { fingerprint: fingerprint.replace('sha256:', '') } });
  return machineOf(await client('me').createBuildlet('mac'));
}

/** A process of the user that no buildlet started. */
function processOf({ uid }: Pick<Machine, 'uid'>): { pid: number; ended: Promise<unknown> } {
  const child = spawn('sleep', ['600'], { stdio: 'ignore', ...(uid !== undefined && { uid }) });
  onTestFinished(() => void child.kill('SIGKILL'));
  return { pid: child.pid ?? 0, ended: new Promise((resolve) => child.once('exit', resolve)) };
}

const machines: [string, () => Promise<Machine>][] = [
  ['local buildlet', localMachine],
  ['static machine', staticMachine],
  ['reverse machine', reverseMachine],
  ...(hasSshd ? [['buildlet on an ssh host', sshMachine] as [string, typeof sshMachine]] : []),
];

describe.each(machines)('a command on a %s without a sandbox', (_name, make) => {
  it('reads and writes all that its user can, also outside of its work directory', async () => {
    const { home, shell } = await make();
    const file = join(home, 'own');
    expect(await shell(`umask 077; echo mine >${file} && cat ${file}`)).toBe('mine\n');
    expect(readFileSync(file, 'utf8')).toBe('mine\n');
  });

  it("reaches its user's other processes, and servers on the machine's loopback", async () => {
    const machine = await make();
    const { pid, ended } = processOf(machine);
    const server = createServer((socket) => socket.end('outside'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    // This Node may be in a directory that the machine's user cannot read.
    const ask = `bash -c 'cat </dev/tcp/127.0.0.1/${port}'`;
    expect(await machine.shell(`kill ${pid} && ${ask}`)).toBe('outside');
    await ended;
  });

  it('leaves behind what hides from its buildlet, and files elsewhere, and nothing else', async () => {
    const { home, shell, end } = await make();
    const [seen, hidden] = [randomBytes(8).toString('hex'), randomBytes(8).toString('hex')];
    onTestFinished(() => {
      for (const pid of processesWith(hidden)) process.kill(pid, 'SIGKILL');
    });
    const loop = (mark: string) =>
      `sh -c 'while :; do sleep 1; done' ${mark} </dev/null >/dev/null 2>&1 &`;
    const script = `setsid ${loop(seen)} env -i setsid ${loop(hidden)} echo x >${home}/left; echo x >$WORKDIR/gone; echo $WORKDIR`;
    const workDir = (await shell(script)).trim();
    expect(existsSync(join(workDir, 'gone'))).toBe(true);
    await until(() => processesWith(seen).length > 0 && processesWith(hidden).length > 0);
    await end();
    expect(processesWith(seen)).toEqual([]);
    expect(processesWith(hidden)).toHaveLength(1);
    expect([existsSync(join(workDir, 'gone')), existsSync(join(home, 'left'))]).toEqual([
      false,
      true,
    ]);
  });
});

it.skipIf(!hasSshd || !isRoot)(
  'a command on an ssh host can do nothing there that its user cannot',
  async () => {
    const [{ shell }, other] = [await sshMachine(), sshUser()];
    giveFile(other, 'dir/secret', 'theirs');
    const file = join(other.home, 'dir/secret');
    chmodSync(file, 0o600);
    const { pid } = processOf({});
    expect(await shell(`{ cat ${file}; echo x >>${file}; kill ${pid}; } 2>&1`)).toMatch(
      /ermi.*ermi.*ermi/s,
    );
  },
);
