// A command on a buildlet without sessions, such as Go's.
import type { Writable } from 'node:stream';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { runByBase } from '../../gomote/run/base.ts';
import { localStatus } from '../../gomote/run/ending.ts';
import type { SessionRequest } from '../../protocol/session.ts';
import type { Context } from '../context.ts';

export async function runWithoutSession(
  client: BuildletClient,
  request: SessionRequest,
  context: Context,
  stdout: Writable,
): Promise<number> {
  if (request.stdin)
    context.messages.remark(`${client.name} has no sessions: its commands get no input`);
  const { signal } = context;
  const result = await runByBase(client, request, { output: stdout, signal });
  if (result.signalNumber === undefined) return localStatus(result.exitCode ?? 125);
  context.messages.remark(`the command ended by ${result.signal}`);
  return 128 + result.signalNumber;
}
