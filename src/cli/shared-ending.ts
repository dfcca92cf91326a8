// What a command does once for several buildlets, when it is over on all of them: one file of what each has given.
import type { Messages } from './terminal/terminal.ts';

export class SharedEnding {
  readonly #works: ((messages: Messages) => Promise<number>)[] = [];

  /** Adds work that is done at the end; its result is the exit status that it asks for. */
  add(work: (messages: Messages) => Promise<number>): void {
    this.#works.push(work);
  }

  /** Does it all. The result is the first exit status that is not 0. */
  async finish(messages: Messages): Promise<number> {
    let status = 0;
    for (const work of this.#works) status ||= await work(messages);
    return status;
  }
}
