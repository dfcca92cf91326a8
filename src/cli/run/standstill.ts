// Tells of a run whose processes stand still, and of what can be done then.
import type { Standstill } from '../../protocol/session.ts';
import type { Context } from '../context.ts';

/** @param name The buildlet, as the user named it. */
export const reportStopped =
  ({ messages }: Context, name: string, id: string) =>
  (standstill: Standstill | undefined): void => {
    for (const line of linesOf(standstill, name, id)) messages.say(line);
  };

function linesOf(standstill: Standstill | undefined, name: string, id: string): string[] {
  if (standstill === undefined) return ['gomote: the command continues'];
  const why = standstill.by === 'break' ? 'a line matched --break' : 'it got STOP';
  return [
    `gomote: the command is stopped: ${why}`,
    `# look at it: gomote shell ${name}, or gomote forward ${name} PORT`,
    `# to continue: gomote kill -s CONT ${name} ${id}`,
  ];
}
