// Accepts machines that dial in: checks their key and name, and passes the connection to the pool of their host type.
import { hash, timingSafeEqual } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import { readNamedSecret } from '../../files/private-file.ts';
import { sendError } from '../../http/server/reply.ts';
import { acceptUpgrade, noUpgradeText } from '../../http/server/upgrades.ts';
import { labelsInText } from '../../protocol/labels.ts';
import {
  bootPattern,
  machineNamePattern,
  reverseHeaders,
  reverseUpgrade,
} from '../../protocol/reverse.ts';
import { callingLink } from '../../reverse/reverse-link.ts';
import type { CoordinatorExchange } from '../http/server.ts';
import type { Log } from '../log.ts';
import type { ReversePool } from './reverse-pool.ts';

interface PoolEntry {
  readonly pool: ReversePool;
  /** One key a line; any of them lets a machine in. Read at each arrival. */
  readonly keyFile: string;
}

/** The delay of the reply to a wrong key, in ms. */
const wrongKeyDelayMs = 1_000;

type Refusal = { readonly status: number; readonly text: string };

export class ReverseGate {
  readonly #log: Log;
  /** By the names of pools. */
  readonly #entries = new Map<string, PoolEntry>();
  #isClosed = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Throws ERR_CONFIG when others can read the keys; a file that is missing may come later. */
  add(entry: PoolEntry): void {
    if (existsSync(entry.keyFile)) keysIn(entry.keyFile);
    this.#entries.set(entry.pool.name, entry);
  }

  setKeyFile(pool: string, keyFile: string): void {
    const entry = this.#entries.get(pool);
    if (entry !== undefined) this.#entries.set(pool, { ...entry, keyFile });
  }

  /** No more machines come into the pool of that name. */
  remove(pool: string): void {
    this.#entries.delete(pool);
  }

  /** Machines that dial from here on are to come again later. */
  close(): void {
    this.#isClosed = true;
  }

  /** Takes over the connection of a request to upgrade. */
  readonly handle = async (exchange: CoordinatorExchange): Promise<void> => {
    try {
      const refusal = await this.#admit(exchange);
      if (refusal !== undefined) this.#refuse(exchange, refusal);
    } catch (error) {
      this.#log.write('trouble', { what: `a machine that dialled: ${messageOf(error)}` });
      this.#refuse(exchange, { status: 500, text: 'see the log' });
    }
  };

  async #admit(exchange: CoordinatorExchange): Promise<Refusal | undefined> {
    const { request, response, upgrade, trust } = exchange;
    const header = (name: string) => String(request.headers[name.toLowerCase()] ?? '');
    const [hostType, machine, boot] = [
      header(reverseHeaders.hostType),
      header(reverseHeaders.machine),
      header(reverseHeaders.boot),
    ];
    if (upgrade === undefined) return { status: 426, text: noUpgradeText };
    if (header('Upgrade') !== reverseUpgrade) {
      return { status: 400, text: `upgrade to ${reverseUpgrade} by GET` };
    }
    if (this.#isClosed) {
      return { status: 503, text: 'the coordinator is ending' };
    }
    // Which of several pools of the host type it comes into, its key says.
    const entry = [...this.#entries.values()]
      .filter(({ pool }) => pool.hostType === hostType)
      .find(({ keyFile }) => isKey(header('Authorization'), keyFile));
    // The same answer for a wrong key and an unknown host type.
    if (entry === undefined) {
      await sleep(wrongKeyDelayMs);
      const text = `wrong key, or no reverse pool of host type "${hostType}"`;
      return { status: 401, text };
    }
    trust();
    if (!machineNamePattern.test(machine) || !bootPattern.test(boot)) {
      return { status: 400, text: `bad machine name "${machine}", or no boot id` };
    }
    if (!(await entry.pool.admits(machine, boot))) {
      const text = `another machine called ${machine} is connected: give one of them --machine NAME`;
      return { status: 409, text };
    }
    acceptUpgrade(response, reverseUpgrade);
    const link = callingLink(upgrade, { label: `machine ${machine}` });
    const labels = labelsInText(header(reverseHeaders.labels));
    entry.pool.arrive({ machine, boot, link, labels });
    return undefined;
  }

  #refuse({ request, response, address }: CoordinatorExchange, why: Refusal): void {
    const machine = String(request.headers[reverseHeaders.machine.toLowerCase()] ?? '').slice(
      0,
      64,
    );
    this.#log.write('machine-refused', { machine, address, reason: why.text });
    sendError(response, why.status, why.text);
  }
}

/** Compares digests with each key in constant time. */
function isKey(authorization: string, keyFile: string): boolean {
  const given = digest(/^Bearer (\S+)$/.exec(authorization)?.[1] ?? '');
  return keysIn(keyFile)
    .map((key) => timingSafeEqual(digest(key), given))
    .includes(true);
}

export function keysIn(file: string): string[] {
  const lines = readNamedSecret('key-file', file).split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((key) => key !== '' && !key.startsWith('#'));
}

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');
