// gomote wait: waits until runs have ended, and exits with their status.
import type { Command } from 'commander';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { messageOf } from '../../errors.ts';
import { findRun } from '../../gomote/run/find-run.ts';
import type { SessionEnd } from '../../protocol/session.ts';
import type { Context } from '../context.ts';
import { describeEnd, statusOf } from '../run/session-status.ts';
import { printJson } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('<id...>', 'runs; of several, the first in this order that failed gives the status')
    .option('--json', 'print how each ended, as a JSON array')
    .action(async (name: string, given: string[], { json }: { json?: boolean }) => {
      const { terminal } = context;
      await context.withBuildlet(name, async ({ client }) => {
        const ids = [...new Set(given)];
        const runs = await client.sessions.list({ signal: context.signal });
        const ends = new Map<string, SessionEnd>();
        const outcomes = await Promise.allSettled(
          ids.map(async (id) => await waitFor(findRun(runs, name, id).id, client, context, ends)),
        );
        context.signal.throwIfAborted();
        // Where nothing can be said but an error, that is the answer.
        if (json && (ends.size > 0 || outcomes.every(({ status }) => status === 'fulfilled'))) {
          const ended = [...ends].map(([id, end]) => ({ id, end }));
          await printJson(terminal, ended);
        }
        const failed = outcomes.findIndex(
          (outcome) => outcome.status === 'rejected' || outcome.value !== 0,
        );
        const outcome = outcomes[failed];
        // The failure that sets the status is reported as usual; the others are reported here.
        outcomes.forEach((other, i) => {
          if (other.status === 'rejected' && i !== failed)
            context.messages.remark(`${ids[i]}: ${messageOf(other.reason)}`);
        });
        if (outcome === undefined) return;
        if (outcome.status === 'rejected') throw outcome.reason;
        context.exitCode = outcome.value;
      });
    });
}

async function waitFor(
  id: string,
  client: BuildletClient,
  context: Context,
  ends: Map<string, SessionEnd>,
): Promise<number> {
  const { end } = await client.sessions
    .get(id)
    .read({ from: 'end', observe: true, signal: context.signal });
  ends.set(id, end);
  const remark = describeEnd(end);
  if (remark !== undefined) context.messages.remark(`${id}: ${remark}`);
  return statusOf(end);
}
