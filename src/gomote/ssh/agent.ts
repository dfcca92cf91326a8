// The agent of an SSH client, as commands on the buildlet reach it: a socket there for one command.
import { randomBytes } from 'node:crypto';
import { joinStreams } from '../../files/join-streams.ts';
import type { SshCommand } from '../../ssh/services.ts';
import type { Buildlet } from '../buildlet.ts';

interface Agent {
  /** By which the command finds it. */
  readonly env: readonly string[];
  close(): void;
}

/** Undefined when the client did not ask for it. */
export async function openAgent(
  buildlet: Buildlet,
  { openAgent: connect }: SshCommand,
  signal: AbortSignal,
): Promise<Agent | undefined> {
  if (connect === undefined) return undefined;
  // Nobody can guess it, and the socket is for the user of commands alone.
  const path = `/tmp/gomote-agent-${randomBytes(12).toString('hex')}`;
  const { ports } = buildlet.client;
  const listener = await ports.listen(
    { kind: 'unix', path },
    (stream) => {
      stream.on('error', () => undefined);
      connect().then(
        (agent) => joinStreams(stream, agent),
        (error: Error) => stream.destroy(error),
      );
    },
    { signal },
  );
  return { env: [`SSH_AUTH_SOCK=${path}`], close: () => listener.close() };
}
