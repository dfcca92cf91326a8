// A deadline that holds.

/**
 * A signal that aborts with a TimeoutError after the delay; it keeps no process alive. In place of
 * `AbortSignal.timeout`, whose signal Node 20 collects, and never aborts, when only `AbortSignal.any` knows of it.
 */
export function timeoutSignal(delayMs: number): AbortSignal {
  const controller = new AbortController();
  const expire = () => {
    controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
  };
  setTimeout(expire, delayMs).unref();
  return controller.signal;
}
