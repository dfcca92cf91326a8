// POST /reset: ends every process, forgets every session and empties the work directory and the directory for temporary
// files, so that the machine can be given to someone else.
import { openDirectory } from '../../files/open-directory.ts';
import { emptyDirectory, removeTree } from '../../files/remove-tree.ts';
import { sendText } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import type { Commands } from '../command/commands.ts';
import type { SessionTable } from '../runs/table.ts';
import type { Ahead } from '../trees/ahead.ts';

/** How long processes have between TERM and KILL. */
const resetGraceMs = 1_000;

interface ResetState {
  readonly workDir: string;
  /** Other directories that commands write to. Each is created again when the next command starts. */
  readonly emptied: readonly string[];
  /** Makes the links in them again. */
  link(): void;
  readonly commands: Commands;
  readonly sessions: SessionTable;
  readonly ahead: Ahead;
}

export function reset({ workDir, emptied, link, commands, sessions, ahead }: ResetState): Handler {
  return async ({ response }) => {
    ahead.drop();
    sessions.end();
    await commands.endAll(resetGraceMs);
    await sessions.clear();
    const held = openDirectory(workDir);
    await emptyDirectory(held).finally(() => held.close());
    for (const directory of emptied) await removeTree(directory);
    link();
    sendText(response, 'OK');
  };
}
