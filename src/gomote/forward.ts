// Forwards connections between sockets here and on a buildlet's machine.
import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { describeTarget } from '../client/ports.ts';
import {
  abortedError,
  errnoOf,
  GomoteError,
  isConnectionError,
  isGomoteError,
  messageOf,
} from '../errors.ts';
import { breakOff, joinStreams } from '../files/join-streams.ts';
import { RingSocket } from '../files/ring-socket.ts';
import { connectTo, listenAt } from '../files/target-sockets.ts';
import type { SocketTarget } from '../protocol/forward.ts';
import { anySignal } from '../timeout-signal.ts';
import { parseForward } from './forward-spec.ts';

/** The options of `forward`. */
export interface ForwardOptions {
  /** Whether to listen there and forward connections to here. Default false. */
  remote?: boolean | undefined;
  /** The address to listen at for ports without a host. Default `127.0.0.1`. */
  address?: string | undefined;
  /**
   * Called with a line for each connection that failed, but not with the same line again within 10 s, and while the
   * buildlet cannot be reached.
   */
  onTrouble?: ((line: string) => void) | undefined;
  /** Ends it; `ended` fails with ERR_ABORTED then. */
  signal?: AbortSignal | undefined;
}

/**
 * A forward, until it is closed.
 *
 * @example
 * const forward = await buildlet.forward('8080:3000', { onTrouble: console.error });
 * console.log(`http://${forward.from}`);
 * await forward.close();
 */
export interface Forward extends AsyncDisposable {
  /** Where it listens, with the actual port: `HOST:PORT` or `unix:PATH`. */
  readonly from: string;
  /** The target of the connections. */
  readonly to: string;
  /** Resolves once it is closed. Fails when the buildlet has ended or cannot be reached any more. */
  readonly ended: Promise<void>;
  /** Stops listening, and breaks open connections. */
  close(): Promise<void>;
}

interface Reached {
  readonly name: string;
  readonly client: BuildletClient;
  explain(error: unknown): Promise<unknown>;
  explained<T>(work: () => Promise<T>): Promise<T>;
}

/** The initial and the maximum delay before reconnecting to the buildlet, in ms. */
const [firstPauseMs, longestPauseMs] = [250, 10_000];

/** How long the machine may take to notice a lost connection and to free its port, in ms. */
const heldMs = 60_000;

/** How long a line is not repeated, in ms. */
const repeatMs = 10_000;

/** Resolves when it listens; see `Buildlet.forward`. */
export async function openForward(
  buildlet: Reached,
  spec: string,
  options: ForwardOptions,
): Promise<Forward> {
  const { from, to } = parseForward(spec, options.address);
  const closing = new AbortController();
  const signal = anySignal(closing.signal, options.signal);
  // Each connection that it carries listens to it.
  setMaxListeners(0, signal);
  const { onTrouble = () => undefined } = options;
  const place: Place = { buildlet, to, signal, onTrouble, onFailure: withoutRepeats(onTrouble) };
  const opened = await (options.remote ? listenThere(place, from) : listenHere(place, from));
  const ended = opened.kept.catch((error: unknown) => {
    if (!closing.signal.aborted) throw error;
  });
  // It may be awaited late, or never.
  ended.catch(() => undefined);
  const close = async () => {
    closing.abort();
    await ended.catch(() => undefined);
  };
  return {
    from: describeTarget(opened.at),
    to: describeTarget(to),
    ended,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Passes a line on unless the same one was passed on recently: a program may keep trying a refused port. */
function withoutRepeats(tell: (line: string) => void): (line: string) => void {
  let last = '';
  let untilAtMs = 0;
  return (line) => {
    const nowMs = performance.now();
    if (line === last && nowMs < untilAtMs) return;
    last = line;
    untilAtMs = nowMs + repeatMs;
    tell(line);
  };
}

interface Place {
  readonly buildlet: Reached;
  readonly to: SocketTarget;
  readonly signal: AbortSignal;
  readonly onTrouble: (line: string) => void;
  readonly onFailure: (line: string) => void;
}

interface Opened {
  readonly at: SocketTarget;
  /** Fails in the end, with the reason. */
  readonly kept: Promise<never>;
}

async function listenHere(place: Place, from: SocketTarget): Promise<Opened> {
  const { buildlet, to, signal } = place;
  const { ports } = buildlet.client;
  const link = await buildlet.explained(() => ports.open({ signal }));
  const listening = await listenAt(from, (socket) => {
    void carry(RingSocket.takeOver(socket), () => ports.connectNear(to, { signal }), place);
  }).catch((error: unknown) => {
    throw cannotListen(from, error);
  });
  const kept = keep(place, link, () => ports.open({ signal })).finally(() => listening.close());
  return { at: listening.at, kept };
}

function cannotListen(target: SocketTarget, error: unknown): GomoteError {
  const isTaken = errnoOf(error) === 'EADDRINUSE';
  const message = `cannot listen at ${describeTarget(target)}: ${messageOf(error)}`;
  const hint = isTaken ? 'give another port, or 0 for any that is free' : undefined;
  return new GomoteError('ERR_CONFLICT', message, { hint, cause: error });
}

async function listenThere(place: Place, from: SocketTarget): Promise<Opened> {
  const { buildlet, to, signal } = place;
  const { ports } = buildlet.client;
  let current: { close(): void } | undefined;
  const listen = async (at: SocketTarget) => {
    const listener = await ports.listen(
      at,
      (stream) => void carry(stream, () => dial(to, stream), place),
      {
        signal,
      },
    );
    current = listener;
    return listener;
  };
  const first = await buildlet.explained(() => listen(from));
  // Keep the actual port.
  const kept = keep(place, first, () => listen(first.at)).finally(() => current?.close());
  return { at: first.at, kept };
}

async function carry(taken: Duplex, open: () => Promise<Duplex>, place: Place): Promise<void> {
  const { signal, onFailure } = place;
  const tell = (error: Error) => {
    if (!signal.aborted) onFailure(messageOf(error));
  };
  taken.on('error', () => undefined);
  const cut = () => breakOff(taken);
  signal.addEventListener('abort', cut, { once: true });
  try {
    const onward = await open();
    onward.once('error', tell);
    if (signal.aborted) cut();
    await joinStreams(taken, onward);
  } catch (error) {
    breakOff(taken);
    tell(error instanceof Error ? error : new Error(String(error)));
  } finally {
    signal.removeEventListener('abort', cut);
  }
}

/** Reconnects to the buildlet whenever the connection is lost, as long as the buildlet may exist. */
async function keep(
  { buildlet, signal, onTrouble }: Place,
  first: { readonly ended: Promise<string> },
  again: () => Promise<{ readonly ended: Promise<string> }>,
): Promise<never> {
  const aborted = new Promise<never>((_resolve, reject) => {
    const abort = () => reject(abortedError(signal));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
  let link = first;
  let pauseMs = 0;
  for (;;) {
    const connectedAtMs = performance.now();
    const reason = await Promise.race([link.ended, aborted]);
    const lostAtMs = performance.now();
    // Do not reconnect at once after a connection that was lost immediately.
    if (lostAtMs - connectedAtMs > longestPauseMs) pauseMs = 0;
    onTrouble(`${buildlet.name}: ${reason}; it is connected again`);
    for (let isMade = false; !isMade; ) {
      await Promise.race([aborted, sleep(pauseMs, undefined, { signal })]);
      pauseMs = Math.min(Math.max(2 * pauseMs, firstPauseMs), longestPauseMs);
      try {
        link = await Promise.race([again(), aborted]);
        isMade = true;
      } catch (error) {
        const known = await buildlet.explain(error);
        const isHeld =
          isGomoteError(known, 'ERR_CONFLICT') && performance.now() - lostAtMs < heldMs;
        if (signal.aborted || !(isConnectionError(known) || isHeld)) throw known;
      }
    }
  }
}

/** Connects to a local socket, unless the accepted connection ends first. */
async function dial(target: SocketTarget, stream: Duplex): Promise<Duplex> {
  const gone = new AbortController();
  const cut = () => gone.abort(new Error('the connection there was closed'));
  stream.once('close', cut);
  try {
    return await connectTo(target, gone.signal);
  } catch (error) {
    throw new GomoteError('ERR_CONNECT', `${describeTarget(target)} here: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    stream.off('close', cut);
  }
}
