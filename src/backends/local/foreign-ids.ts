// Whether ids of users belong to somebody: to an account or a group, wherever the system knows it from, or to the containers
// of an account.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '../../errors.ts';
import { ifThere } from '../../files/if-there.ts';

interface IdRange {
  readonly first: number;
  readonly last: number;
}

/** So many are asked for at once. */
const batch = 1_000;
/** A directory service may not answer, in ms. */
const patienceMs = 30_000;

/** Says who owns one of the ids: `1000 is the account me's`. Undefined when they are unused. */
export async function idOwner(range: IdRange, etc = '/etc'): Promise<string | undefined> {
  for (const [database, what] of [
    ['passwd', 'account'],
    ['group', 'group'],
  ] as const) {
    const [taken] = (await entriesOf(database, range, etc))
      .map((line) => line.split(':'))
      .filter(([, , id]) => id && isIn(range, Number(id)));
    if (taken !== undefined) return `${taken[2]} is the ${what} ${taken[0]}'s`;
  }
  for (const name of ['subuid', 'subgid']) {
    for (const [account, start, count] of linesOf(join(etc, name)).map((one) => one.split(':'))) {
      const [from, to] = [Number(start), Number(start) + Number(count) - 1];
      if (!(from <= range.last && to >= range.first)) continue;
      return `${Math.max(from, range.first)} is for the containers of ${account}`;
    }
  }
  return undefined;
}

const isIn = ({ first, last }: IdRange, id: number): boolean => id >= first && id <= last;

/** Those of the ids, as the system has them from all its sources; of the file alone where it cannot be asked. */
async function entriesOf(
  database: string,
  { first, last }: IdRange,
  etc: string,
): Promise<string[]> {
  const found = linesOf(join(etc, database));
  for (let from = first; from <= last; from += batch) {
    const count = Math.min(batch, last - from + 1);
    const ids = Array.from({ length: count }, (_, at) => String(from + at));
    try {
      const { stdout } = await promisify(execFile)('getent', [database, ...ids], {
        timeout: patienceMs,
      });
      found.push(...stdout.split('\n'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') break;
      // The id is unused, as it should be.
      const { code, stdout } = error as { readonly code?: unknown; readonly stdout?: string };
      if (code !== 2) throw error;
      found.push(...(stdout ?? '').split('\n'));
    }
  }
  return found;
}

const linesOf = (path: string): string[] =>
  ifThere(() => readFileSync(path, 'utf8'))?.split('\n') ?? [];
