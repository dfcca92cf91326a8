// Sends one viewer what there is, then what has changed, as server-sent events.
import type { ServerResponse } from 'node:http';
import type { User } from '../state/user-records.ts';

/** What a viewer may see at one moment. */
export interface PageState {
  readonly user: User;
  /** Of many, only those are sent that have changed. */
  readonly rows: readonly { readonly name: string }[];
  /** Each is sent as a whole when it has changed. */
  readonly parts: Readonly<Record<string, unknown>>;
}

interface FeedSource {
  /** Undefined: the viewer is signed out. */
  look(): Promise<PageState | undefined>;
  /** Calls after changes; returns the function that ends it. */
  watch(listener: () => void): () => void;
}

/** The least time between two events, how often is looked though nothing seems to have changed, and the longest silence, in ms. */
const leastMs = 500;
const lookMs = 5_000;
const pingMs = 15_000;

/** How soon a browser that lost the connection tries again, in ms. */
const retryMs = 1_000;

/** Feeds the viewer until they leave or are signed out. */
export function startFeed(response: ServerResponse, source: FeedSource): void {
  const known = { rows: new Map<string, string>(), parts: new Map<string, string>() };
  let isFirst = true;
  let isSending = false;
  let isDue = false;
  let timer: NodeJS.Timeout | undefined;
  let sentAtMs = performance.now();
  const send = async () => {
    timer = undefined;
    isSending = true;
    isDue = false;
    const seen = await source.look().catch(() => undefined);
    isSending = false;
    if (response.destroyed || response.writableEnded) return;
    if (seen === undefined) return void response.end();
    const changes = changesIn(seen, known);
    if (changes !== undefined || isFirst) {
      const { name: user, isAdmin } = seen.user;
      const data = JSON.stringify({ now: Date.now(), user, isAdmin, isFirst, ...changes });
      response.write(`event: state\ndata: ${data}\n\n`);
      isFirst = false;
      sentAtMs = performance.now();
    } else if (performance.now() - sentAtMs > pingMs) {
      response.write(': ping\n\n');
      sentAtMs = performance.now();
    }
    if (isDue) later();
  };
  const later = () => {
    isDue = true;
    // A slow reader gets fewer events, not late ones.
    if (isSending || timer !== undefined || response.writableNeedDrain) return;
    timer = setTimeout(() => void send(), leastMs);
  };
  const unwatch = source.watch(later);
  const looks = setInterval(later, lookMs);
  response.write(`retry: ${retryMs}\n\n`);
  response.on('drain', later);
  response.once('close', () => {
    unwatch();
    clearTimeout(timer);
    clearInterval(looks);
  });
  void send();
}

/** Those rows and parts that differ from what was sent; undefined: none. */
function changesIn(
  { rows, parts }: PageState,
  known: { readonly rows: Map<string, string>; readonly parts: Map<string, string> },
): object | undefined {
  const names = new Set(rows.map(({ name }) => name));
  const gone = [...known.rows.keys()].filter((name) => !names.has(name));
  for (const name of gone) known.rows.delete(name);
  const changed = rows.filter((row) => isOther(known.rows, row.name, row));
  const others = Object.entries(parts).filter(([name, part]) => isOther(known.parts, name, part));
  if (gone.length + changed.length + others.length === 0) return undefined;
  return { buildlets: { changed, gone }, ...Object.fromEntries(others) };
}

function isOther(known: Map<string, string>, name: string, value: unknown): boolean {
  const text = JSON.stringify(value);
  if (known.get(name) === text) return false;
  known.set(name, text);
  return true;
}
