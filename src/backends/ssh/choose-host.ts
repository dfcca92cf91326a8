// Which of several hosts makes a buildlet, and which number it gets: one that no other host has given.
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { EnterCall } from './install.ts';
import type { HostReply } from './messages.ts';
import type { SshHost } from './ssh-host.ts';

/** How long the other hosts may take once one has answered, in ms. */
const restMs = 5_000;

export interface Choice {
  readonly host: SshHost;
  /** Absent: the host's own next one. */
  readonly number: number | undefined;
}

interface Answer extends HostReply<'survey'> {
  readonly host: SshHost;
}

/**
 * The picked host, or the least busy of those that answer. Once one has answered, the others have a few seconds.
 *
 * Of all that answer, the first in the configuration gives the number, so that clients which choose at the same time get
 * different ones.
 */
export async function chooseHost(
  hosts: readonly SshHost[],
  picked: SshHost | undefined,
  stem: string,
  call: EnterCall & { readonly onWarning?: ((line: string) => void) | undefined },
): Promise<Choice> {
  const [only, second] = hosts;
  if (only !== undefined && second === undefined) return { host: only, number: undefined };
  const { answers, failures } = await survey(hosts, picked, stem, call);
  const names = failures.map(({ message }) => message).join('; ');
  const host = picked ?? answers.toSorted((a, b) => a.busy - b.busy)[0]?.host;
  const [giver] = answers;
  if (host === undefined || giver === undefined) {
    throw new GomoteError('ERR_CONNECT', `no host answers: ${names}`, {
      hint: failures[0]?.hint,
      cause: failures[0],
    });
  }
  for (const { message } of failures) call.onWarning?.(`${message}; it is left out`);
  const least = Math.max(...answers.map(({ next }) => next));
  return { host, number: await giver.host.ask({ op: 'number', stem, least }, call) };
}

async function survey(
  hosts: readonly SshHost[],
  picked: SshHost | undefined,
  stem: string,
  call: EnterCall,
): Promise<{ answers: Answer[]; failures: GomoteError[] }> {
  const enough = new AbortController();
  const results = await Promise.allSettled(
    hosts.map(async (host): Promise<Answer> => {
      // The one that was picked is waited for.
      const signal = host === picked ? call.signal : anySignal(call.signal, enough.signal);
      const answer = await host.ask({ op: 'survey', stem }, { ...call, signal });
      const rest = timeoutSignal(restMs);
      rest.addEventListener('abort', () => enough.abort(rest.reason), { once: true });
      return { host, ...answer };
    }),
  );
  call.signal.throwIfAborted();
  const failures = results.flatMap((result, i) => {
    if (result.status === 'fulfilled') return [];
    if (hosts[i] === picked) throw result.reason;
    return [failureOf(hosts[i]?.text ?? '', result.reason, enough.signal.aborted)];
  });
  const answers = results.flatMap((result) =>
    result.status === 'fulfilled' ? [result.value] : [],
  );
  return { answers, failures };
}

function failureOf(host: string, reason: unknown, isLate: boolean): GomoteError {
  if (isGomoteError(reason)) return reason;
  const what = isLate ? 'it does not answer in time' : messageOf(reason);
  return new GomoteError('ERR_CONNECT', `${host}: ${what}`, { cause: reason });
}
