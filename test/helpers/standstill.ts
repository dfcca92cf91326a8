// Something that is slowed to a stop.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './processes.ts';

/** Waits until the file holds a number of at least `least`, which does not change any more; gives it. */
export const standstill = (path: string, least: number): Promise<number> =>
  stopOf(() => Number(readFileSync(path, { encoding: 'utf8', flag: 'a+' }).trim()), least);

/** Waits until the count, `least` by then, does not change any more; gives it. */
export async function stopOf(count: () => number, least: number): Promise<number> {
  let [last, still] = [-1, 0];
  await until(async () => {
    await sleep(50);
    const now = count();
    still = now === last && now >= least ? still + 1 : 0;
    last = now;
    return still >= 6;
  });
  return last;
}
