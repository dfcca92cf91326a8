// Ends uploads that have stalled: a connection that a proxy holds open would keep them unfinished forever.
import { GomoteError } from '../../errors.ts';
import type { Handler } from './server.ts';

/** The handler, whose request fails when nothing of it comes for `idleMs` to twice as long. */
export const withIdleLimit =
  (handle: Handler, idleMs: number): Handler =>
  async (exchange) => {
    const { request } = exchange;
    let seenBytes = request.socket.bytesRead;
    const timer = setInterval(() => {
      const { bytesRead } = request.socket;
      // A stream of a connection that others share has no count, and that connection its own heartbeat.
      if (request.complete || typeof bytesRead !== 'number') return;
      if (bytesRead === seenBytes) {
        request.destroy(new GomoteError('ERR_LOST', `nothing came for ${idleMs / 1000} s`));
      }
      seenBytes = bytesRead;
    }, idleMs);
    timer.unref();
    try {
      await handle(exchange);
    } finally {
      clearInterval(timer);
    }
  };
