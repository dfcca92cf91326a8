// Chooses the host for a new buildlet, and a number that no other host has used.
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { CreateCall } from '../backend.ts';
import type { NameNumber } from '../local/create.ts';
import type { EnterCall } from './install.ts';
import type { HostReply } from './messages.ts';
import type { SshHost } from './ssh-host.ts';

/** How long to wait for other hosts once one has answered, in ms. */
const restMs = 5_000;

export interface Choice {
  readonly host: SshHost;
  /** Absent: the host's own next one. */
  readonly number?: NameNumber | undefined;
}

interface Answer extends HostReply<'survey'> {
  readonly host: SshHost;
}

/** What a host is chosen for. */
interface ChoiceOptions {
  readonly hosts: readonly SshHost[];
  /** The host that the user has given. */
  readonly picked: SshHost | undefined;
  /** The beginning of the new name, before its number. */
  readonly stem: string;
  readonly call: EnterCall & Pick<CreateCall, 'onWarning'>;
}

export class HostChooser {
  /** How many buildlets are being created on each host, which its own count does not include yet. */
  readonly #pending = new Map<SshHost, number>();
  readonly #warned = new Set<string>();

  /**
   * Calls `make` with the given host, or the least busy of those that answer. Once one has answered, the others have a
   * few seconds.
   *
   * Of all that answer, the first in the configuration assigns the number, so that concurrent clients get
   * different ones. When another client was faster, the choice is repeated.
   */
  async withHost<T>(options: ChoiceOptions, make: (choice: Choice) => Promise<T>): Promise<T> {
    const [only, second] = options.hosts;
    if (only !== undefined && second === undefined) return await make({ host: only });
    for (;;) {
      const answers = await this.#answers(options);
      const host = options.picked ?? this.#leastBusy(answers);
      this.#count(host, 1);
      try {
        return await make({ host, number: await numberFor(host, answers, options) });
      } catch (error) {
        if (!isGomoteError(error, 'ERR_NAME_TAKEN')) throw error;
      } finally {
        this.#count(host, -1);
      }
    }
  }

  /** At least one. */
  async #answers(options: ChoiceOptions): Promise<readonly [Answer, ...Answer[]]> {
    const { answers, failures } = await survey(options);
    const messages = failures.map(({ message }) => message);
    const [first, ...rest] = answers;
    if (first === undefined) {
      throw new GomoteError('ERR_CONNECT', `no host answers: ${messages.join('; ')}`, {
        hint: failures[0]?.hint,
        cause: failures[0],
      });
    }
    for (const message of messages) {
      if (!this.#warned.has(message)) options.call.onWarning?.(`${message}; it is left out`);
      this.#warned.add(message);
    }
    return [first, ...rest];
  }

  #leastBusy(answers: readonly [Answer, ...Answer[]]): SshHost {
    const share = ({ host, busy, cpus }: Answer) => (busy + (this.#pending.get(host) ?? 0)) / cpus;
    return answers.reduce((least, one) => (share(one) < share(least) ? one : least)).host;
  }

  #count(host: SshHost, change: number): void {
    this.#pending.set(host, (this.#pending.get(host) ?? 0) + change);
  }
}

async function numberFor(
  host: SshHost,
  answers: readonly [Answer, ...Answer[]],
  { stem, call }: ChoiceOptions,
): Promise<Choice['number']> {
  const least = Math.max(...answers.map(({ next }) => next));
  const [giver] = answers;
  if (host === giver.host) return { least };
  return { exact: await giver.host.ask({ op: 'number', stem, least }, call) };
}

async function survey({
  hosts,
  picked,
  stem,
  call,
}: ChoiceOptions): Promise<{ answers: Answer[]; failures: GomoteError[] }> {
  const enough = new AbortController();
  const results = await Promise.allSettled(
    hosts.map(async (host): Promise<Answer> => {
      const late = new AbortController();
      // Wait for a given host, and for one that needs programs copied first.
      let isWaitedFor = host === picked;
      const onProgress = (step: string) => {
        isWaitedFor = true;
        call.onProgress?.(step);
      };
      enough.signal.addEventListener('abort', () => {
        if (!isWaitedFor) late.abort(enough.signal.reason);
      });
      const signal = anySignal(call.signal, late.signal);
      const answer = await host.ask({ op: 'survey', stem }, { signal, onProgress });
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
