// What is wrong, in words: what it means, and what to do. The same facts as in `/readyz` and the metrics.
import { formatDuration } from '../../duration.ts';
import { plural } from '../../plural.ts';
import type { MachineRecord } from '../../protocol/coordinator.ts';
import type { Readiness } from '../readiness.ts';
import type { CoordinatorView } from '../sessions/view.ts';
import type { User } from '../state/user-records.ts';

interface Problem {
  readonly level: 'bad' | 'warn' | 'info';
  readonly title: string;
  readonly text: string;
  /** What to do. */
  readonly todo: string;
  /** The buildlet that it is about. */
  readonly buildlet?: string;
}

interface Facts {
  readonly user: User;
  readonly view: CoordinatorView;
  readonly readiness: Readiness;
  readonly machines: readonly MachineRecord[];
  readonly graceMs: number;
}

/** How many of a kind are named one by one. */
const namedLimit = 5;

/** The worst first. */
export function problemsOf(facts: Facts): Problem[] {
  return [
    ...ownProblems(facts),
    ...buildletProblems(facts),
    ...machineProblems(facts),
    ...fullPools(facts),
    ...drainedMachines(facts),
  ].sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
}

const levels: readonly Problem['level'][] = ['bad', 'warn', 'info'];

const tell = ({ isAdmin }: User, whatAdminsDo: string): string =>
  isAdmin ? whatAdminsDo : 'Tell an admin of this coordinator.';

/** Of the coordinator itself. */
function ownProblems({ user, readiness: { failures, warnings } }: Facts): Problem[] {
  const problems: Problem[] = [];
  const pools = failures.get('pools');
  if (pools !== undefined) {
    problems.push({
      level: 'bad',
      title: 'Some buildlets cannot be created',
      text: `${pools}.`,
      todo: tell(user, 'It is tried again by itself; the log says more (trouble).'),
    });
  }
  if (failures.has('disk')) {
    problems.push({
      level: 'bad',
      title: 'The disk of the coordinator cannot be written',
      text: 'No buildlets can be created until it can. Those that there are work, and can be destroyed.',
      todo: tell(user, 'Make room where its state directory is; it continues by itself.'),
    });
  }
  if (!user.isAdmin) return problems;
  if (warnings.has('users')) {
    problems.push({
      level: 'bad',
      title: 'The users file cannot be read',
      text: 'The users that it had before can sign in; no change to it counts.',
      todo: 'Mend the file: “coordinator check” says what is wrong with it.',
    });
  }
  const sessions = warnings.get('sessions');
  if (sessions !== undefined) {
    problems.push({
      level: 'warn',
      title: 'Files of buildlets cannot be read',
      text: `${sessions}.`,
      todo: 'Mend or remove the files that end in “.broken” in the state directory, then start the coordinator again.',
    });
  }
  return problems;
}

function buildletProblems({ view, graceMs }: Facts): Problem[] {
  const dead = view.sessions.filter(({ state }) => state === 'dead');
  const silent = view.sessions.filter(
    ({ state, health }) => state === 'running' && health === 'silent',
  );
  const forHow = graceMs > 0 ? ` within ${formatDuration(graceMs)} of its last sign of life` : '';
  return [
    ...named(dead, ({ name, reason = '' }) => ({
      ...{ level: 'bad', title: `${name} is dead`, text: sentence(reason), buildlet: name },
      todo: 'What ran there is lost. Create another, and destroy this one.',
    })),
    ...more('bad', dead, (count) => `${count} more buildlets are dead`),
    ...named(silent, ({ name, reason = '' }) => ({
      ...{ level: 'warn', title: `${name} does not answer`, text: sentence(reason) },
      todo: `It continues if it answers${forHow}; else it is dead.`,
      buildlet: name,
    })),
    ...more('warn', silent, (count) => `${count} more buildlets do not answer`),
  ];
}

function machineProblems({ user, view }: Facts): Problem[] {
  return view.pools.flatMap(({ hostType, down, outOfService }): Problem[] => {
    const lists = [
      { list: down, state: 'down', todo: 'Look at the machine and its network' },
      {
        list: outOfService,
        state: 'out of use: not clean',
        todo: 'Clean the machine, or start it anew',
      },
    ];
    return lists.flatMap(({ list, state, todo }): Problem[] =>
      list.length === 0
        ? []
        : [
            {
              level: 'warn',
              title: `${plural(list.length, 'machine')} of ${hostType} ${list.length === 1 ? 'is' : 'are'} ${state}`,
              text: `${list
                .slice(0, namedLimit)
                .map(({ machine, reason }) =>
                  reason === undefined ? machine : `${machine}: ${reason}`,
                )
                .join('; ')}.`,
              todo: tell(user, `${todo}. It is tried again by itself.`),
            },
          ],
    );
  });
}

/** Of all pools of a host type together: they have one queue. */
function fullPools({ user, view }: Facts): Problem[] {
  const hostTypes = new Set(view.pools.map(({ hostType }) => hostType));
  return [...hostTypes].flatMap((hostType): Problem[] => {
    const pools = view.pools.filter((pool) => pool.hostType === hostType);
    const capacity = pools.reduce((sum, pool) => sum + pool.capacity, 0);
    const lent = pools.reduce((sum, pool) => sum + pool.lent, 0);
    const waiting = pools[0]?.waiting ?? 0;
    if (lent < capacity || (capacity === 0 && waiting === 0)) return [];
    const text =
      capacity === 0
        ? 'None of its machines can be lent at the moment.'
        : `${capacity === 1 ? 'Its machine is' : `All its ${capacity} machines are`} in use.`;
    if (waiting === 0) {
      const todo = 'Whoever asks next waits.';
      return [{ level: 'info', title: `${hostType} is full`, text, todo }];
    }
    return [
      {
        level: 'warn',
        title: `${plural(waiting, 'request waits', 'requests wait')} for ${hostType}`,
        text,
        todo: user.isAdmin
          ? 'Raise its maximum or add machines, if that happens often.'
          : 'Destroy what you do not need any more.',
      },
    ];
  });
}

function drainedMachines({ user, machines }: Facts): Problem[] {
  if (!user.isAdmin) return [];
  const drained = machines.filter(({ drained }) => drained !== undefined);
  if (drained.length === 0) return [];
  const shown = drained
    .slice(0, namedLimit)
    .map(({ machine, drained }) => (drained?.note ? `${machine} (${drained.note})` : machine));
  return [
    {
      level: 'info',
      title: `${plural(drained.length, 'machine is', 'machines are')} drained`,
      text: `${shown.join(', ')}${drained.length > namedLimit ? ', …' : '.'}`,
      todo: 'Nobody new gets them until an admin puts them back: in the pool’s list of machines, or with “coordinator machine undrain NAME”.',
    },
  ];
}

const named = <T>(list: readonly T[], toProblem: (one: T) => Problem): Problem[] =>
  list.slice(0, namedLimit).map(toProblem);

const more = (
  level: Problem['level'],
  { length }: readonly unknown[],
  title: (count: number) => string,
): Problem[] =>
  length <= namedLimit
    ? []
    : [{ level, title: title(length - namedLimit), text: '', todo: 'See the list below.' }];

const sentence = (text: string): string =>
  text === ''
    ? ''
    : `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.…]$/.test(text) ? '' : '.'}`;
