// Reports the ports that a command opens while it runs, and forwards them if asked to.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, isGomoteError, messageOf } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import type { Forward } from '../../gomote/forward.ts';
import { portLimit } from '../../protocol/forward.ts';
import { anySignal } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';

const intervalMs = 1_000;

interface Options {
  readonly name: string;
  /** Whether the ports are forwarded. Otherwise a line says how to forward them. */
  readonly forward: boolean;
}

/**
 * Begins before the command starts, because ports that are already open are not the command's. With `forward` it resolves once
 * those are known, and throws what the buildlet refuses with, ERR_UNSUPPORTED where it cannot list ports.
 */
export async function watchPorts(
  buildlet: Buildlet,
  context: Context,
  options: Options,
): Promise<NewPorts> {
  const ports = new NewPorts(buildlet, context, options);
  const known = buildlet.client.ports.list({ signal: ports.signal });
  void ports.watch(options.forward ? await known : known);
  return ports;
}

/**
 * Whether something else listens there. A listener at the IPv6 address of `localhost` may be the command itself when the
 * buildlet is on this machine: its port at the IPv4 address would lead back to here.
 */
async function isTaken(host: string, port: number): Promise<boolean> {
  const server = createServer().listen({ host, port });
  try {
    await once(server, 'listening');
    server.close();
    return false;
  } catch (error) {
    return errnoOf(error) === 'EADDRINUSE';
  }
}

class NewPorts {
  readonly #buildlet: Buildlet;
  readonly #context: Context;
  readonly #options: Options;
  readonly #closing = new AbortController();
  readonly #forwards: Forward[] = [];
  #watched: Promise<void> | undefined;

  constructor(buildlet: Buildlet, context: Context, options: Options) {
    this.#buildlet = buildlet;
    this.#context = context;
    this.#options = options;
  }

  get signal(): AbortSignal {
    return anySignal(this.#context.signal, this.#closing.signal);
  }

  /** Looks for new ports; stops asking a buildlet that cannot list them. */
  watch(first: readonly number[] | Promise<readonly number[]>): Promise<void> {
    this.#watched = this.#watch(first).catch(() => undefined);
    return this.#watched;
  }

  async #watch(first: readonly number[] | Promise<readonly number[]>): Promise<void> {
    const { signal } = this.#closing;
    const known = new Set(await first);
    let left = portLimit;
    for (;;) {
      await sleep(intervalMs, undefined, { signal });
      for (const port of await this.#list()) {
        // The buildlet is not trusted: it must not flood the screen or take all ports here.
        if (known.has(port) || left === 0) continue;
        known.add(port);
        left--;
        await this.#tell(port);
      }
    }
  }

  async #list(): Promise<readonly number[]> {
    try {
      return await this.#buildlet.client.ports.list({ signal: this.#closing.signal });
    } catch (error) {
      if (this.#closing.signal.aborted || isGomoteError(error, 'ERR_UNSUPPORTED')) throw error;
      // The run continues when its connection is lost, and so does this.
      return [];
    }
  }

  async #tell(port: number): Promise<void> {
    const { name, forward } = this.#options;
    const { messages } = this.#context;
    if (!forward)
      return messages.say(`# ${name} listens at ${port}; gomote forward ${name} ${port}`);
    try {
      const { from, to } = await this.#forward(port);
      messages.say(`# ${from} -> ${name}:${to}`);
    } catch (error) {
      if (!this.#closing.signal.aborted) messages.remark(`port ${port}: ${messageOf(error)}`);
    }
  }

  /** At the same port here, otherwise at any free port. */
  async #forward(port: number): Promise<Forward> {
    const options = {
      signal: this.#closing.signal,
      onTrouble: this.#context.messages.remark,
    };
    const first = (await isTaken('::1', port)) ? 0 : port;
    const forward = await this.#buildlet
      .forward(`${first}:${port}`, options)
      .catch((error: unknown) => {
        if (!isGomoteError(error, 'ERR_CONFLICT')) throw error;
        return this.#buildlet.forward(`0:${port}`, options);
      });
    this.#forwards.push(forward);
    return forward;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watched;
    await Promise.all(this.#forwards.map((forward) => forward.close()));
  }
}
