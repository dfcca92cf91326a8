// Ends stalled uploads: a connection that a proxy holds open would keep them unfinished forever.
import { GomoteError } from '../../errors.ts';
import type { Handler } from './server.ts';

/** Wraps a handler so that its request fails when nothing arrives for `idleMs` to twice that time. */
export const withIdleLimit =
  (handle: Handler, idleMs: number): Handler =>
  async (exchange) => {
    const { request } = exchange;
    let seenBytes = request.socket.bytesRead;
    const timer = setInterval(() => {
      const { bytesRead } = request.socket;
      // A stream of a shared connection has no byte count; the connection has its own heartbeat.
      if (request.complete || typeof bytesRead !== 'number') return;
      if (bytesRead === seenBytes) {
        request.destroy(new GomoteError('ERR_LOST', `nothing arrived for ${idleMs / 1000} s`));
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
