// Work that a command does once after it has ended on all of several buildlets, such as writing one file with all results.
import type { Messages } from './terminal/terminal.ts';

export class SharedEnding {
  readonly #works: ((messages: Messages) => Promise<number>)[] = [];

  /** Adds work to do at the end. It returns the exit status that it asks for. */
  add(work: (messages: Messages) => Promise<number>): void {
    this.#works.push(work);
  }

  async finish(messages: Messages): Promise<number> {
    let status = 0;
    for (const work of this.#works) status ||= await work(messages);
    return status;
  }
}
