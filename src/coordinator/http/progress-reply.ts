// A reply of JSON lines: what is waited for, then the result or the error.
import { formatFailed, formatProgress } from '../../protocol/coordinator.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import { errorReply } from '../../protocol/error-reply.ts';
import type { Step } from '../sessions/creation.ts';
import type { CoordinatorExchange } from './server.ts';

/** How often it repeats its state, in ms: proxies may cut silent connections. */
const reminderMs = 10_000;

export class ProgressReply {
  readonly #exchange: CoordinatorExchange;
  readonly #timer: NodeJS.Timeout;
  #step: Step;

  constructor(exchange: CoordinatorExchange, step: Step = () => 'waiting') {
    this.#exchange = exchange;
    this.#step = step;
    exchange.response.writeHead(200, {
      'Content-Type': contentTypes.jsonLines,
      'X-Accel-Buffering': 'no',
    });
    exchange.response.flushHeaders();
    this.#timer = setInterval(() => this.#write(), reminderMs);
  }

  tell(step: Step): void {
    this.#step = step;
    this.#write();
  }

  #write(): void {
    this.#exchange.response.write(formatProgress(this.#step()));
  }

  /** Ends it with the line of the result. */
  end(line: string): void {
    this.#exchange.response.end(line);
  }

  failed(error: unknown): void {
    const reply = errorReply(error);
    this.#exchange.note.error = reply.text;
    this.#exchange.response.end(formatFailed(reply));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
