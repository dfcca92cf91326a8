// Buildlets in this process, behind connections that tests can break.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LocalStart } from '../backends/local/process.ts';
import { filesOf, type LocalRecord, readPassword } from '../backends/local/record.ts';
import { startAgent, uploads } from '../buildlet/agent.ts';
import { cleanEnvironment, inheritedEnvironment } from '../buildlet/command/environment.ts';
import { fullFileSystem } from '../files/mount-point.ts';
import { removeTree } from '../files/remove-tree.ts';
import type { Network } from './network.ts';

interface Machine {
  /** Ends the buildlet at once, as if its machine were switched off. */
  kill(): Promise<void>;
  isFull: boolean;
  readonly directory: string;
}

export class Machines {
  readonly #network: Network;
  readonly #features: readonly string[] | undefined;
  readonly #all = new Map<string, Machine>();

  constructor(network: Network, features: readonly string[] | undefined) {
    this.#network = network;
    this.#features = features;
  }

  get(name: string): Machine | undefined {
    return this.#all.get(name);
  }

  /** Starts the buildlet of a record, as `LocalSettings.start`. */
  async start(
    directory: string,
    record: LocalRecord,
    { own, inheritEnv, holdMs }: LocalStart,
  ): Promise<void> {
    const { name, socket, workDir } = record;
    const inner = join(dirname(socket), 'agent');
    const agent = await startAgent({
      address: { kind: 'unix', path: inner },
      workDir,
      temporaryDirectory: filesOf(record),
      password: readPassword(directory),
      environment: inheritEnv ? inheritedEnvironment(own) : cleanEnvironment(own),
      holdMs,
      features: this.#features,
      onRequest: (endpoint) => {
        if (!machine.isFull || !uploads.includes(endpoint)) return;
        throw new Error(`no space left on device${fullFileSystem('ENOSPC', workDir)}`);
      },
      log: () => undefined,
    });
    const carried = await this.#network.carry(name, { path: socket }, { path: inner });
    let ended: Promise<void> | undefined;
    const machine: Machine = {
      isFull: false,
      directory,
      kill: () => {
        this.#all.delete(name);
        carried.close();
        ended ??= agent.close();
        return ended;
      },
    };
    this.#all.set(name, machine);
    void agent.ending.then(async () => {
      await machine.kill();
      // As a separate process does.
      for (const path of [filesOf(record), directory]) {
        await removeTree(path);
      }
    });
  }

  /** Ends the buildlets whose directories a failed create has removed. */
  async endRemoved(): Promise<void> {
    const removed = [...this.#all.values()].filter(({ directory }) => !existsSync(directory));
    await Promise.all(removed.map((machine) => machine.kill()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all.values()].map((machine) => machine.kill()));
  }
}
