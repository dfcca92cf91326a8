// Machines that dial in from behind NAT: available when they are connected and clean, and cleaned after each use.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, messageOf } from '../../errors.ts';
import { type Labels, labelText, type WantedLabels } from '../../protocol/labels.ts';
import type { CallingLink } from '../../reverse/reverse-link.ts';
import type { Log } from '../log.ts';
import type { PoolConfig } from '../pool-config.ts';
import { AnnouncedLabels, type LabelPolicy } from './announced-labels.ts';
import { clean } from './cleaning.ts';
import { freeWith } from './members.ts';
import type { AcquireCall, Member, Pool, PoolCall, ReconcileCall } from './pool.ts';
import { clientOf, type Machine, machineId, newMachine } from './reverse-machine.ts';
import { UnavailableMachines } from './unavailable-machines.ts';

/** Who dialled. */
export interface ReverseConnection {
  /** The machine's name. */
  readonly machine: string;
  /** Differs with every start of its buildlet. */
  readonly boot: string;
  readonly link: CallingLink;
  /** What it says of itself. */
  readonly labels?: Labels | undefined;
}

interface ReversePoolOptions extends LabelPolicy {
  /** As in the configuration. */
  readonly name: string;
  readonly hostType: string;
  readonly log: Log;
  /** Whether an admin has taken the machine of that name out of use. */
  readonly isDrained: (machine: string) => boolean;
  /** A line for the shell of the machine, run between users. Default: none. */
  readonly resetCommand?: string | undefined;
  /** The first wait before a machine that could not be cleaned is tried again, in ms. Default 1,000. */
  readonly retryMs?: number | undefined;
  /** How long a machine that is held may be away, in ms. */
  readonly graceMs: number;
}

const answerTimeoutMs = 5_000;
const firstRetryMs = 1_000;
const longestRetryMs = 60_000;

export class ReversePool implements Pool {
  readonly name: string;
  readonly hostType: string;
  readonly kind = 'reverse';
  readonly unavailable: UnavailableMachines;
  onCapacity = (): void => undefined;
  onLost = (_id: string, _reason: string): void => undefined;
  #options: ReversePoolOptions;
  readonly #labels: AnnouncedLabels;
  /** Those connected and those held, in the order in which they became free. */
  readonly #machines = new Map<string, Machine>();
  readonly #retries = new Set<NodeJS.Timeout>();
  /** Until it is known who holds which machine, none is cleaned. */
  #isReconciled = false;
  /** Whether any new one may belong to a session that cannot be read. */
  #keepsAll = false;

  constructor(options: ReversePoolOptions) {
    this.#options = options;
    this.name = options.name;
    this.hostType = options.hostType;
    this.#labels = new AnnouncedLabels(options, options.graceMs);
    this.unavailable = new UnavailableMachines(options.hostType, options.log);
  }

  reconfigure(config: PoolConfig): void {
    if (config.kind !== 'reverse') return;
    this.#options = { ...this.#options, resetCommand: config.resetCommand };
    this.#labels.policy = config;
  }

  get capacity(): number {
    const isUsable = ({ state, name, link }: Machine) =>
      state !== 'dirty' &&
      (state !== 'clean' || !this.#options.isDrained(name)) &&
      (state !== 'kept' || link !== undefined);
    return [...this.#machines.values()].filter(isUsable).length;
  }

  get labels(): Labels | undefined {
    return this.#labels.policy.labels;
  }

  get members(): readonly Member[] {
    return [...this.#machines.values()].map(({ id, name, state, link }) => ({
      ...{ id, name, labels: this.#labels.of(name), isKept: state === 'kept' },
      isUp: state !== 'kept' || link !== undefined,
      isFree: state === 'clean' && !this.#options.isDrained(name),
    }));
  }

  mayGain(wanted: WantedLabels): boolean {
    return this.#labels.mayCome(wanted);
  }

  /** Whether the machine may connect: not while another of its name is connected and answers. */
  async admits(machine: string, boot: string): Promise<boolean> {
    const others = this.#named(machine).filter(({ id }) => id !== machineId(machine, boot));
    const answers = await Promise.all(others.map(({ link }) => link?.answers(answerTimeoutMs)));
    return !answers.includes(true);
  }

  /** Takes in a machine that dialled. One that is held continues; any other is cleaned before it is offered. */
  arrive({ machine: name, boot, link, labels }: ReverseConnection): void {
    const id = machineId(name, boot);
    const believed = this.#labels.arrived(name, labels);
    for (const other of this.#named(name)) {
      if (other.id === id) continue;
      other.link?.end('another buildlet of this machine has dialled');
      this.#gone(other, `machine ${name} was started anew`);
    }
    const known = this.#machines.get(id);
    known?.link?.end('the machine has dialled anew');
    const machine = known ?? newMachine(id, this.#keepsAll ? 'kept' : 'dirty');
    clearTimeout(machine.awayTimer);
    machine.link = link;
    if (machine.state === 'clean') machine.state = 'dirty';
    if (machine.state === 'kept') this.unavailable.remove(name);
    this.#machines.set(id, machine);
    void link.ended.then((reason) => this.#left(machine, link, reason));
    const { hostType } = this;
    this.#options.log.write('machine-connected', {
      ...{ hostType, machine: id },
      labels: Object.entries(believed).map(labelText).join(' '),
    });
    if (this.#isReconciled && machine.state === 'dirty') void this.#offer(machine, link);
  }

  #named(name: string): Machine[] {
    return [...this.#machines.values()].filter((machine) => machine.name === name);
  }

  #left(machine: Machine, link: CallingLink, reason: string): void {
    if (machine.link !== link) return;
    this.#options.log.write('machine-left', {
      hostType: this.hostType,
      machine: machine.id,
      reason,
    });
    machine.link = undefined;
    machine.awayReason = reason;
    if (link.saidGoodbye) this.#gone(machine, `machine ${machine.name}: ${reason}`);
    else if (machine.state === 'held') this.#await(machine);
    else {
      this.unavailable.add(machine.name, 'down', `it is away: ${reason}`);
      if (machine.state !== 'releasing' && machine.state !== 'kept') this.#forget(machine);
    }
  }

  /** Gives a machine that is held some time to come back. */
  #await(machine: Machine): void {
    const { graceMs } = this.#options;
    machine.awayTimer = setTimeout(() => {
      const { name, awayReason } = machine;
      this.#gone(machine, `machine ${name} has been away for ${graceMs / 1000} s: ${awayReason}`);
    }, graceMs).unref();
  }

  /** The content of the machine was lost. */
  #gone(machine: Machine, reason: string): void {
    if (machine.state === 'held') this.onLost(machine.id, reason);
    else {
      this.unavailable.forget(machine.name);
      if (machine.state !== 'releasing') this.#forget(machine);
    }
  }

  #forget(machine: Machine): void {
    clearTimeout(machine.awayTimer);
    if (this.#machines.get(machine.id) === machine) this.#machines.delete(machine.id);
  }

  /** Cleans an unused machine, with retries while it is connected, and then offers it. */
  async #offer(machine: Machine, link: CallingLink, retryMs = this.#firstRetryMs): Promise<void> {
    const isCurrent = () => machine.link === link && machine.state === 'dirty';
    try {
      await this.#clean(machine, new AbortController().signal);
      if (!isCurrent()) return;
      this.unavailable.remove(machine.name);
      machine.state = 'clean';
      // The last to become free is the last to be lent.
      this.#machines.delete(machine.id);
      this.#machines.set(machine.id, machine);
      this.onCapacity();
    } catch (error) {
      if (!isCurrent()) return;
      this.unavailable.add(machine.name, 'unclean', messageOf(error));
      const timer = setTimeout(() => {
        this.#retries.delete(timer);
        if (isCurrent()) void this.#offer(machine, link, Math.min(retryMs * 2, longestRetryMs));
      }, retryMs);
      this.#retries.add(timer.unref());
    }
  }

  get #firstRetryMs(): number {
    return this.#options.retryMs ?? firstRetryMs;
  }

  async #clean(machine: Machine, signal: AbortSignal): Promise<void> {
    const client = clientOf(machine);
    try {
      await clean(client, this.#options.resetCommand, signal);
    } finally {
      await client.disconnect();
    }
  }

  async acquire(call: AcquireCall): Promise<string> {
    for (const { id } of freeWith(call.wanted, this.members)) {
      const machine = this.#machines.get(id);
      if (machine?.state !== 'clean') continue;
      machine.state = 'held';
      call.onProgress(`asking ${machine.name}`);
      const answers = await machine.link?.answers(answerTimeoutMs);
      if (call.signal.aborted) {
        machine.state = 'clean';
        call.signal.throwIfAborted();
      }
      if (answers) return machine.id;
      machine.link?.end('no answer');
      this.#forget(machine);
    }
    throw new GomoteError('ERR_NO_CAPACITY', `no machine of ${this.hostType} is connected`);
  }

  async release(id: string, call: PoolCall): Promise<void> {
    const machine = this.#machines.get(id);
    if (machine === undefined || machine.state === 'clean') return;
    machine.state = 'releasing';
    const { link } = machine;
    try {
      if (link !== undefined) await this.#clean(machine, call.signal);
    } catch (error) {
      call.signal.throwIfAborted();
      if (machine.link === link) this.unavailable.add(machine.name, 'unclean', messageOf(error));
    }
    if (machine.link === undefined) {
      // It is cleaned when it reconnects, before it is offered.
      this.unavailable.add(machine.name, 'down', `it is away: ${machine.awayReason}`);
      return this.#forget(machine);
    }
    machine.state = 'dirty';
    const isUnclean = this.unavailable.get(machine.name) !== undefined;
    if (machine.link !== link || isUnclean) return void this.#offer(machine, machine.link);
    machine.state = 'clean';
    this.#machines.delete(id);
    this.#machines.set(id, machine);
  }

  async connect(id: string): Promise<BuildletClient> {
    const machine = this.#machines.get(id);
    if (machine !== undefined) return clientOf(machine);
    throw new GomoteError('ERR_UNKNOWN_BUILDLET', `machine ${id} is gone`);
  }

  /** A machine that is held may be dialling just now: all of those are taken to be there. */
  async reconcile(
    held: ReadonlySet<string>,
    { leavesOthers, kept }: ReconcileCall,
  ): Promise<ReadonlySet<string>> {
    for (const id of held) {
      const machine = this.#machines.get(id) ?? newMachine(id, 'held');
      machine.state = kept.has(id) ? 'kept' : 'held';
      this.#machines.set(id, machine);
      if (machine.link !== undefined) continue;
      if (machine.state === 'held') this.#await(machine);
      else this.unavailable.add(machine.name, 'down', `it is away: ${machine.awayReason}`);
    }
    this.#isReconciled = true;
    this.#keepsAll = leavesOthers;
    for (const machine of this.#machines.values()) {
      if (machine.state !== 'dirty' || machine.link === undefined) continue;
      if (leavesOthers) machine.state = 'kept';
      else void this.#offer(machine, machine.link);
    }
    return held;
  }

  async close(): Promise<void> {
    for (const timer of this.#retries) clearTimeout(timer);
    for (const { link, awayTimer } of this.#machines.values()) {
      clearTimeout(awayTimer);
      link?.end('the coordinator is ending');
    }
  }
}
