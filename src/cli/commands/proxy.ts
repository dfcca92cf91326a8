// gomote proxy: connects standard input and output to a socket of a buildlet.
import type { Duplex } from 'node:stream';
import type { Command } from 'commander';
import { GomoteError, isGomoteError, messageOf, untilAborted } from '../../errors.ts';
import { parseSocket } from '../../gomote/forward-spec.ts';
import { anySignal } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('<target>', 'what to connect to there: PORT, HOST:PORT or unix:PATH')
    .action(async (name: string, target: string) => {
      const socket = parseSocket(target);
      await context.withBuildlet(name, async ({ client }) => {
        const stream = await client.ports.connect(socket, { signal: context.signal });
        await joined(stream, context);
      });
    });
}

async function joined(stream: Duplex, { terminal, signal }: Context): Promise<void> {
  const { pipeline } = await import('node:stream/promises');
  const over = new AbortController();
  // Input may end long before output, or never.
  pipeline(terminal.stdin, stream, { signal: anySignal(signal, over.signal) }).catch(
    () => undefined,
  );
  try {
    await untilAborted(signal, () => pipeline(stream, terminal.stdout, { signal, end: false }));
  } catch (error) {
    if (isGomoteError(error)) throw error;
    throw new GomoteError('ERR_LOST', `the connection broke: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    over.abort();
  }
}
