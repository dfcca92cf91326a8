// Who has how much, for admins: now, and in the last 24 hours and 7 days as far as the history goes.
import type { Coordinator } from '../coordinator.ts';
import type { Users } from '../state/users.ts';
import type { History } from './history.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const noUse = () => ({ buildlets: 0, hours: 0, runs: 0, bytes: 0 });

/** How many people are shown, those with the most first. */
const peopleLimit = 1_000;

export function peopleOf(
  { coordinator, users, history }: { coordinator: Coordinator; users: Users; history: History },
  nowMs = Date.now(),
): object[] {
  const people = new Map(
    users.list().map((user) => [
      user.name,
      {
        name: user.name,
        isAdmin: user.isAdmin,
        isMonitor: user.isMonitor === true,
        expiresMs: user.expiresMs,
        ...coordinator.admission.useOf(user),
        ...{ day: noUse(), week: noUse() },
      },
    ]),
  );
  for (const { owner, rows, end } of history.all()) {
    const person = people.get(owner);
    if (person === undefined) continue;
    for (const [use, sinceMs] of [
      [person.day, nowMs - dayMs],
      [person.week, nowMs - 7 * dayMs],
    ] as const) {
      const endMs = end?.atMs ?? nowMs;
      if (endMs <= sinceMs) continue;
      use.buildlets++;
      use.hours += Math.max(0, endMs - Math.max(rows[0]?.atMs ?? endMs, sinceMs)) / hourMs;
      for (const { event, atMs, bytes = 0 } of rows) {
        if (atMs < sinceMs) continue;
        if (event === 'exec') use.runs++;
        if (event === 'transfer') use.bytes += bytes;
      }
    }
  }
  return [...people.values()]
    .filter(({ isMonitor }) => !isMonitor)
    .sort((a, b) => b.inUse - a.inUse || b.week.hours - a.week.hours || (a.name < b.name ? -1 : 1))
    .slice(0, peopleLimit);
}
