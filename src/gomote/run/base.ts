// Runs a command on a buildlet without sessions, such as Go's: one connection, merged output, no input.
import type { Writable } from 'node:stream';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { ExecResult } from '../../client/runs/exec.ts';
import type { SessionRequest } from '../../protocol/session.ts';

export async function runByBase(
  client: BuildletClient,
  request: SessionRequest,
  { output, signal }: { readonly output: Writable; readonly signal: AbortSignal },
): Promise<ExecResult> {
  return await client.exec(request.cmd, {
    args: request.args,
    systemLevel: request.systemLevel,
    debug: request.debug,
    dir: request.dir,
    extraEnv: request.env,
    path: request.path,
    timeoutMs: request.timeoutMs,
    output,
    signal,
  });
}
