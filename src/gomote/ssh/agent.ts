// Forwards the SSH client's agent to a command on the buildlet, by a socket for that command.
import { randomBytes } from 'node:crypto';
import { joinStreams } from '../../files/join-streams.ts';
import type { SshCommand } from '../../ssh/services.ts';
import type { Buildlet } from '../buildlet.ts';

interface Agent {
  /** The variable with the path of the socket. */
  readonly env: readonly string[];
  close(): void;
}

/** Undefined when agent forwarding was not requested. */
export async function openAgent(
  buildlet: Buildlet,
  { openAgent: connect }: SshCommand,
  signal: AbortSignal,
): Promise<Agent | undefined> {
  if (connect === undefined) return undefined;
  // The path cannot be guessed, and only the user of commands can connect to the socket.
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
