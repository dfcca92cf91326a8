// Lists the machines of all pools for admins, and drains them.
import { GomoteError } from '../../errors.ts';
import type { MachineRecord } from '../../protocol/coordinator.ts';
import type { Log } from '../log.ts';
import type { Drains } from '../state/drains.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { MachineAllocator } from './machine-allocator.ts';

interface MachineAdminOptions {
  readonly allocators: ReadonlyMap<string, MachineAllocator>;
  readonly book: SessionBook;
  readonly drains: Drains;
  readonly audit: Log;
}

/** The maximum length of a note, in characters: it is shown in one line. */
const noteLimit = 500;

export class MachineAdmin {
  readonly #options: MachineAdminOptions;

  constructor(options: MachineAdminOptions) {
    this.#options = options;
  }

  /** By pool, sorted by name. */
  list(): MachineRecord[] {
    return [...this.#options.allocators.values()].flatMap((allocator) => this.#rows(allocator));
  }

  #rows({ pool, ready, kept }: MachineAllocator): MachineRecord[] {
    const { book, drains } = this.#options;
    const held = new Map(
      book
        .all()
        .flatMap((one) =>
          one.pool === pool.name && one.machine !== undefined
            ? [[nameOf(pool, one.machine), one] as const]
            : [],
        ),
    );
    const unavailable = new Map(pool.unavailable?.all.map((one) => [one.machine, one]));
    const members = new Map(pool.members?.map((one) => [one.name, one]));
    const known = pool.members === undefined ? [...ready, ...kept] : members.keys();
    const whyKept = new Map(kept.map((id) => [nameOf(pool, id), book.whyKept(id)]));
    const names = new Set([...known, ...held.keys(), ...unavailable.keys()]);
    return [...names].sort().map((machine): MachineRecord => {
      const session = held.get(machine);
      const fault = unavailable.get(machine);
      const drain = drains.get(machine);
      const why = whyKept.get(machine);
      const reasons = [fault?.reason, why].filter((one) => one !== undefined);
      return {
        ...{ machine, hostType: pool.hostType, pool: pool.name, kind: pool.kind },
        labels: members.get(machine)?.labels ?? pool.labels,
        state: fault?.what ?? ((session ?? why) ? 'in use' : 'free'),
        ...(reasons.length > 0 && { reason: reasons.join('; ') }),
        ...(fault !== undefined && { since: new Date(fault.sinceMs) }),
        ...(session !== undefined && { buildlet: session.name, owner: session.owner }),
        ...(drain !== undefined && { drained: { since: new Date(drain.since), note: drain.note } }),
      };
    });
  }

  /** Takes the machine out of use; its current session continues. Throws ERR_REQUEST. */
  async drain(machine: string, note: string, by: string): Promise<MachineRecord> {
    if (note.length > noteLimit || /\p{Cc}/u.test(note)) {
      throw new GomoteError('ERR_REQUEST', `a note is one line of at most ${noteLimit} characters`);
    }
    const allocator = this.#find(machine);
    await this.#options.drains.drain(machine, note);
    this.#options.audit.write('drain', { machine, note, by });
    allocator.recall((id) => nameOf(allocator.pool, id) === machine);
    return this.#row(allocator, machine);
  }

  async undrain(machine: string, by: string): Promise<MachineRecord> {
    const allocator = this.#find(machine);
    await this.#options.drains.undrain(machine);
    this.#options.audit.write('undrain', { machine, by });
    allocator.pool.onCapacity();
    return this.#row(allocator, machine);
  }

  #row(allocator: MachineAllocator, machine: string): MachineRecord {
    const { hostType, kind, name } = allocator.pool;
    const found = this.#rows(allocator).find((row) => row.machine === machine);
    return found ?? { machine, hostType, pool: name, kind, state: 'down' };
  }

  /** The pool of a machine that stays when its user leaves; throws ERR_USAGE. */
  #find(machine: string): MachineAllocator {
    for (const allocator of this.#options.allocators.values()) {
      const row = this.#rows(allocator).find((one) => one.machine === machine);
      if (row === undefined) continue;
      if (allocator.pool.members !== undefined) return allocator;
      throw new GomoteError('ERR_REQUEST', `${machine} was made for one user, and ends with it`, {
        hint: 'machines of static and reverse pools can be drained',
      });
    }
    // One that dials in may be away.
    const [reverse] = [...this.#options.allocators.values()].filter(
      ({ pool }) => pool.kind === 'reverse',
    );
    if (this.#options.drains.get(machine) !== undefined && reverse !== undefined) return reverse;
    throw new GomoteError('ERR_REQUEST', `there is no machine "${machine}"`, {
      hint: 'see coordinator machine list',
    });
  }
}

const nameOf = ({ members }: MachineAllocator['pool'], id: string): string =>
  members?.find((member) => member.id === id)?.name ?? id;
