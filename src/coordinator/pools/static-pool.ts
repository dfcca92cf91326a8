// Buildlets at fixed addresses that always run: lent to users, and reset between them.
import { existsSync } from 'node:fs';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { KeyPair } from '../../client/key-pair.ts';
import { GomoteError, messageOf } from '../../errors.ts';
import { readNamedSecret } from '../../files/private-file.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { StaticMachine } from '../pool-config.ts';
import { Cleaning, type OutOfService } from './cleaning.ts';
import type { AcquireCall, Pool, PoolCall, ReconcileCall } from './pool.ts';

/** How long a machine may take to answer, in ms. */
const answerTimeoutMs = 10_000;

export class StaticPool implements Pool {
  readonly hostType: string;
  readonly kind = 'static';
  onCapacity = (): void => undefined;
  onLost = (): void => undefined;
  readonly #machines: ReadonlyMap<string, StaticMachine>;
  readonly #cleaning: Cleaning;
  /** The ids of those that nobody has; the one that was used longest ago comes first. */
  readonly #free: string[];

  /** Throws ERR_CONFIG when others can read a machine's secret; a file that is missing may come later. */
  constructor(hostType: string, machines: readonly StaticMachine[], resetCommand?: string) {
    for (const machine of machines) {
      if (existsSync(machine.keyPairFile ?? machine.passwordFile ?? '')) credentialsOf(machine);
    }
    this.hostType = hostType;
    this.#cleaning = new Cleaning(resetCommand);
    this.#machines = new Map(machines.map((machine) => [machine.address, machine]));
    this.#free = [...this.#machines.keys()];
  }

  get capacity(): number {
    return this.#machines.size;
  }

  get outOfService(): readonly OutOfService[] {
    return this.#cleaning.outOfService;
  }

  /** Returns the first free machine that answers and can be emptied. */
  async acquire(call: AcquireCall): Promise<string> {
    const failures: string[] = [];
    for (const id of [...this.#free]) {
      const at = this.#free.indexOf(id);
      if (at < 0) continue;
      this.#free.splice(at, 1);
      call.onProgress(`asking ${id}`);
      try {
        await this.#clean(id, call.signal);
        return id;
      } catch (error) {
        this.#free.push(id);
        call.signal.throwIfAborted();
        failures.push(`${id}: ${messageOf(error)}`);
      }
    }
    throw new GomoteError(
      'ERR_NO_CAPACITY',
      `no machine of ${this.hostType} answers: ${failures.join('; ')}`,
    );
  }

  async release(id: string, call: PoolCall): Promise<void> {
    // A machine that has left the configuration is not managed any more.
    if (!this.#machines.has(id) || this.#free.includes(id)) return;
    await this.#clean(id, call.signal);
    this.#free.push(id);
  }

  /** Ends its processes and empties it; a machine that cannot be cleaned is not lent. */
  async #clean(id: string, signal: AbortSignal): Promise<void> {
    const client = await this.connect(id);
    try {
      const { version } = await client.status({
        signal: anySignal(signal, timeoutSignal(answerTimeoutMs)),
      });
      if (version < 1) throw new GomoteError('ERR_REPLY', `it has protocol version ${version}`);
      await this.#cleaning.clean(id, client, signal);
    } finally {
      await client.disconnect();
    }
  }

  async connect(id: string): Promise<BuildletClient> {
    const machine = this.#machines.get(id);
    if (machine === undefined) {
      throw new GomoteError(
        'ERR_UNKNOWN_BUILDLET',
        `machine ${id} is not in the configuration any more`,
      );
    }
    return new BuildletClient(machine.address, credentialsOf(machine));
  }

  async reconcile(
    held: ReadonlySet<string>,
    { leavesOthers }: ReconcileCall,
  ): Promise<ReadonlySet<string>> {
    const there = [...(leavesOthers ? this.#free : held)].filter((id) => this.#machines.has(id));
    for (const id of there) this.#free.splice(this.#free.indexOf(id), 1);
    return new Set(there);
  }

  async close(): Promise<void> {
    // Nothing is kept open.
  }
}

function credentialsOf({ keyPairFile, passwordFile }: StaticMachine) {
  if (keyPairFile !== undefined)
    return readKeyPair(readNamedSecret('key-pair-file', keyPairFile), keyPairFile);
  if (passwordFile === undefined) return undefined;
  return { password: readNamedSecret('password-file', passwordFile).trim() };
}

/** A certificate and its key in one PEM file. */
function readKeyPair(text: string, path: string): KeyPair {
  const [cert, key] = ['CERTIFICATE', 'RSA PRIVATE KEY'].map(
    (what) => new RegExp(`-----BEGIN ${what}-----[^-]+-----END ${what}-----\n`).exec(text)?.[0],
  );
  if (cert !== undefined && key !== undefined) return new KeyPair(cert, key);
  throw new GomoteError('ERR_CONFIG', `${path} does not hold a certificate and an RSA key, PEM`);
}
