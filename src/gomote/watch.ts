// Pushes a tree again whenever something in it changes.
import type { PushSummary } from '../sync/push/push-target.ts';
import { TreeWatch } from '../sync/push/watch.ts';
import type { ConnectedBuildlet } from './connected-buildlet.ts';
import { type PushTreeOptions, pushToOne } from './push.ts';
import { pushPlace } from './push-place.ts';

/** One push after another; what could not be read is in each summary, and does not end it. */
export async function* watchTree(
  place: ConnectedBuildlet,
  given: string | undefined,
  { dest, ...options }: PushTreeOptions & { signal: AbortSignal },
): AsyncGenerator<PushSummary, void> {
  const where = pushPlace(given, dest);
  const watch = new TreeWatch(where.top);
  try {
    for (;;) {
      yield await pushToOne(place, where, {
        ...options,
        onEnter: (directory) => watch.enter(directory),
        onTree: () => watch.leave(),
      });
      await watch.changed(options.signal);
    }
  } finally {
    watch.close();
  }
}
