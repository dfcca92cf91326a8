// Keeps a buildlet connected to its coordinator, which sends requests over that connection: connects, and reconnects when it breaks.
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageAndHint } from '../errors.ts';
import { asciiJson, type Labels } from '../protocol/labels.ts';
import { reverseHeaders, reversePath, reverseUpgrade } from '../protocol/reverse.ts';
import { dialUpgrade, type ServerTrust } from '../reverse/reverse-dial.ts';
import { type ReverseLink, servingLink } from '../reverse/reverse-link.ts';

export interface ReverseOptions {
  readonly coordinator: string;
  readonly trust: ServerTrust;
  readonly proxy?: string | undefined;
  /** Lets the machine in. A secret. */
  readonly key: string;
  readonly hostType: string;
  /** The machine's name at the coordinator; the same at each start. */
  readonly machine: string;
  /** The machine's description of itself. */
  readonly labels?: Labels | undefined;
  /** Milliseconds between heartbeats. Default 10,000. */
  readonly heartbeatMs?: number | undefined;
  /** The initial and the maximum delay between attempts, in ms. Default 500 and 15,000. */
  readonly waitMs?: { readonly first: number; readonly longest: number } | undefined;
}

interface ReverseHost {
  /** Serves the requests that come over a connection. */
  readonly onConnection: (connection: Duplex) => void;
  /** One line of talk. */
  readonly log: (line: string) => void;
}

/**
 * The maximum delay is shorter than the time after which a coordinator gives up a silent machine, so that a restart of
 * the coordinator costs nobody a session.
 */
const defaultWaitMs = { first: 500, longest: 15_000 };

export interface ReverseConnection {
  /** Stops dialling and ends the connection, with the reason for the coordinator. */
  close(reason: string): Promise<void>;
}

/** Starts dialling, until it is closed. */
export function connectReverse(options: ReverseOptions, host: ReverseHost): ReverseConnection {
  const stop = new AbortController();
  let lastLine = '';
  /** Suppresses repeated messages, which would be endless. */
  const log = (line: string) => {
    if (line !== lastLine) host.log(line);
    lastLine = line;
  };
  const boot = randomBytes(8).toString('hex');
  const done = (async () => {
    const { first, longest } = options.waitMs ?? defaultWaitMs;
    let waitMs = first;
    while (!stop.signal.aborted) {
      const startedAtMs = performance.now();
      const link = await tryDial(options, boot, { ...host, log }, stop.signal);
      if (link !== undefined) {
        log(`connected to ${options.coordinator} as ${options.machine}`);
        const end = () => link.end(String(stop.signal.reason));
        stop.signal.addEventListener('abort', end, { once: true });
        if (stop.signal.aborted) end();
        const reason = await link.ended;
        stop.signal.removeEventListener('abort', end);
        if (!stop.signal.aborted) log(`${options.coordinator}: ${reason}`);
      }
      // Spread the reconnects of machines that lost their coordinator at the same time.
      const jitteredMs = waitMs * (0.5 + Math.random() / 2);
      await sleep(jitteredMs, undefined, { signal: stop.signal }).catch(() => undefined);
      const heldLong = performance.now() - startedAtMs > longest;
      waitMs = heldLong ? first : Math.min(longest, waitMs * 2);
    }
  })();
  return {
    close: async (reason) => {
      stop.abort(reason);
      await done;
    },
  };
}

async function tryDial(
  options: ReverseOptions,
  boot: string,
  host: ReverseHost,
  signal: AbortSignal,
): Promise<ReverseLink | undefined> {
  try {
    const upgraded = await dialUpgrade({
      origin: options.coordinator,
      path: reversePath,
      protocol: reverseUpgrade,
      headers: {
        Authorization: `Bearer ${options.key}`,
        [reverseHeaders.hostType]: options.hostType,
        [reverseHeaders.machine]: options.machine,
        [reverseHeaders.boot]: boot,
        ...(options.labels && { [reverseHeaders.labels]: asciiJson(options.labels) }),
      },
      trust: options.trust,
      proxy: options.proxy,
      signal,
    });
    const { heartbeatMs } = options;
    return servingLink(upgraded, { label: 'the coordinator', heartbeatMs }, host.onConnection);
  } catch (error) {
    if (!signal.aborted) host.log(messageAndHint(error));
    return undefined;
  }
}
