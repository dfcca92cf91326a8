// `coordinator usage`: who had how much, by the audit trail.
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { parseDuration } from '../duration.ts';
import { GomoteError } from '../errors.ts';
import { undefinedIfAbsent } from '../files/if-there.ts';
import { parseJson } from '../protocol/reply-fields.ts';

/** What one user had. */
interface UserUsage {
  readonly user: string;
  buildlets: number;
  /** For how long there were buildlets, in hours. */
  hours: number;
  runs: number;
  /** Of files that were transferred. */
  bytes: number;
}

const rowSchema = v.object({
  time: v.pipe(
    v.string(),
    v.transform((text) => Date.parse(text)),
    v.number(),
    v.finite(),
  ),
  event: v.string(),
  name: v.optional(v.string(), ''),
  owner: v.optional(v.string(), ''),
  outcome: v.optional(v.string(), ''),
  bytes: v.optional(v.number(), 0),
});

const hourMs = 3_600_000;

/** A moment, or how long ago; throws ERR_USAGE. */
export function parseSince(text: string, nowMs = Date.now()): number {
  const days = /^([0-9]{1,4})d$/.exec(text)?.[1];
  if (days !== undefined) return nowMs - Number(days) * 24 * hourMs;
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(Date.parse(text))) return Date.parse(text);
  try {
    return nowMs - parseDuration('--since', text);
  } catch {
    throw new GomoteError('ERR_USAGE', `--since "${text}" is neither a date nor a duration`, {
      hint: 'give such as 2026-11-01, 7d or 12h',
    });
  }
}

/** Reads the trail, with what was rotated beside it (`audit.jsonl.1`, uncompressed), from that moment on. */
export async function usageSince(trail: string, sinceAtMs: number): Promise<UserUsage[]> {
  const users = new Map<string, UserUsage>();
  const of = (user: string): UserUsage => {
    const known = users.get(user) ?? { user, buildlets: 0, hours: 0, runs: 0, bytes: 0 };
    users.set(user, known);
    return known;
  };
  const open = new Map<string, { owner: string; fromMs: number }>();
  const end = (name: string, atMs: number) => {
    const found = open.get(name);
    open.delete(name);
    if (found === undefined || atMs <= sinceAtMs) return;
    of(found.owner).hours += Math.max(0, atMs - Math.max(found.fromMs, sinceAtMs)) / hourMs;
    of(found.owner).buildlets++;
  };
  for await (const row of rowsOf(trail)) {
    const { event, name, owner, time } = row;
    const isIn = time >= sinceAtMs;
    if (event === 'create' && row.outcome === 'ok') open.set(name, { owner, fromMs: time });
    else if (event === 'destroy' || event === 'died') end(name, time);
    else if (event === 'exec' && isIn) of(owner).runs++;
    else if (event === 'transfer' && isIn) of(owner).bytes += row.bytes;
  }
  for (const name of [...open.keys()]) end(name, Date.now());
  return [...users.values()].sort((a, b) => b.hours - a.hours || (a.user < b.user ? -1 : 1));
}

/** The rows of all files, the oldest file first; lines that cannot be read are left out. */
async function* rowsOf(trail: string): AsyncGenerator<v.InferOutput<typeof rowSchema>> {
  for (const path of await filesOf(trail)) {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      const { success, output } = v.safeParse(rowSchema, parseJson(line));
      if (success) yield output;
    }
  }
}

async function filesOf(trail: string): Promise<string[]> {
  const directory = dirname(trail);
  const start = trail.slice(directory.length + 1);
  const names = ((await readdir(directory).catch(undefinedIfAbsent)) ?? []).filter(
    (name) =>
      name === start || (/^\.[0-9]+$/.test(name.slice(start.length)) && name.startsWith(start)),
  );
  const age = (name: string) => Number(name.slice(start.length + 1) || 0);
  const sorted = names.sort((a, b) => age(b) - age(a));
  if (sorted.length > 0) return sorted.map((name) => join(directory, name));
  throw new GomoteError('ERR_CONFIG', `there is no audit trail at ${trail}`, {
    hint: 'with audit-to = "log" the rows are in the log',
  });
}

/** A table with a head, or JSON. */
export function usageText(rows: readonly UserUsage[], isJson: boolean): string {
  if (isJson) return `${JSON.stringify(rows)}\n`;
  const lines = rows.map(({ user, buildlets, hours, runs, bytes }) =>
    [user, buildlets, hours.toFixed(1), runs, bytes].join('\t'),
  );
  return `${['user\tbuildlets\thours\truns\tbytes', ...lines].join('\n')}\n`;
}
