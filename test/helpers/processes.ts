// Looking at real processes.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** The ids of living processes, zombies aside, whose command line holds the text. */
export const processesWith = (text: string): number[] => find('cmdline', text);

/** The ids of living processes whose environment holds the text. */
export const processesMarked = (text: string): number[] => find('environ', text);

function find(file: 'cmdline' | 'environ', text: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^[0-9]+$/.test(name) || Number(name) === process.pid) return [];
    try {
      const isZombie = /^State:\s+Z/m.test(readFileSync(`/proc/${name}/status`, 'utf8'));
      return !isZombie && readFileSync(`/proc/${name}/${file}`, 'latin1').includes(text)
        ? [Number(name)]
        : [];
    } catch {
      return [];
    }
  });
}

/** Waits until the condition holds; fails after a minute, or the time given. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  // What takes long is asked for less often: the question itself may be a process, or a request.
  for (let waitMs = 10; !(await condition()); waitMs = Math.min(waitMs * 1.1, 100)) {
    if (Date.now() > deadline) throw new Error(`never came true: ${condition}`);
    await sleep(waitMs);
  }
}
