// POST /reset: ends every process, forgets every session and empties the work dir and the directory for temporary
// files, so that the machine can be given to someone else.

import { holdDirectory } from '../../files/held-directory.ts';
import { emptyDirectory, removeTree } from '../../files/remove-tree.ts';
import { sendText } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { type CommandHost, markPrefix } from '../command/command.ts';
import { endProcesses } from '../command/process-sweep.ts';
import type { SessionTable } from '../runs/table.ts';

/** How long processes have between TERM and KILL. */
const resetGraceMs = 1_000;

export function reset({ workDir, environment }: CommandHost, sessions: SessionTable): Handler {
  return async ({ response }) => {
    sessions.end();
    await endProcesses({ markPrefix: markPrefix(workDir) }, resetGraceMs);
    await sessions.clear();
    const held = holdDirectory(workDir);
    await emptyDirectory(held).finally(() => held.close());
    if (environment.TMPDIR !== undefined) await removeTree(environment.TMPDIR);
    sendText(response, 'OK');
  };
}
