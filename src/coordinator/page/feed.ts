// Sends one viewer what there is, then what has changed, as server-sent events.
import type { ServerResponse } from 'node:http';
import type { CoordinatorView } from '../sessions/view.ts';
import type { User } from '../state/user-records.ts';

interface FeedSource {
  /** The viewer as of now, and what they may see; undefined: signed out. */
  look(): { readonly user: User; readonly view: CoordinatorView } | undefined;
  /** Calls after changes; returns the function that ends it. */
  watch(listener: () => void): () => void;
}

/** The least time between two events, in ms, and the longest silence. */
const leastMs = 500;
const pingMs = 15_000;

/** How soon a browser that lost the connection tries again, in ms. */
const retryMs = 1_000;

/** Feeds the viewer until they leave or are signed out; returns the function that ends it. */
export function startFeed(response: ServerResponse, source: FeedSource): () => void {
  const sent = new Map<string, string>();
  let isFirst = true;
  let isWaiting = false;
  const end = () => {
    response.end();
  };
  const send = () => {
    isWaiting = false;
    const seen = source.look();
    if (seen === undefined) return end();
    const state = { ...changes(seen.view, sent), isFirst };
    isFirst = false;
    const { name: user, isAdmin } = seen.user;
    const data = JSON.stringify({ now: Date.now(), user, isAdmin, ...state });
    response.write(`event: state\ndata: ${data}\n\n`);
  };
  const later = () => {
    // A slow reader gets fewer events, not late ones.
    if (isWaiting || response.writableNeedDrain) return;
    isWaiting = true;
    timer = setTimeout(send, leastMs);
  };
  let timer: NodeJS.Timeout | undefined;
  const unwatch = source.watch(later);
  const pings = setInterval(() => {
    if (source.look() === undefined) end();
    else if (!response.writableNeedDrain) response.write(': ping\n\n');
  }, pingMs);
  response.write(`retry: ${retryMs}\n\n`);
  response.on('drain', later);
  response.once('close', () => {
    unwatch();
    clearTimeout(timer);
    clearInterval(pings);
  });
  send();
  return end;
}

/** The view, with only those buildlets that differ from what was sent. */
function changes({ sessions, pools, queue }: CoordinatorView, sent: Map<string, string>) {
  const rows = sessions.map((session) => [session.name, JSON.stringify(session)] as const);
  const names = new Set(rows.map(([name]) => name));
  const gone = [...sent.keys()].filter((name) => !names.has(name));
  const changed = sessions.filter((_, at) => {
    const [name = '', text = ''] = rows[at] ?? [];
    if (sent.get(name) === text) return false;
    sent.set(name, text);
    return true;
  });
  for (const name of gone) sent.delete(name);
  return { buildlets: { changed, gone }, pools, queue };
}
