// The reply to a change of a tree: one line of JSON; before it, when contents were named, the digests as files are copied.
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { sendText } from '../../http/server/reply.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import { applyFailure } from '../../protocol/tree-replies.ts';

export class ApplyReply {
  readonly #response: ServerResponse;
  readonly #lines = createHash('sha256');
  #isBegun = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Begins the reply with it: after this, a failure cannot set the status. */
  tell(digests: string): void {
    if (!this.#isBegun) {
      this.#isBegun = true;
      this.#response.writeHead(200, { 'Content-Type': contentTypes.text });
      this.#response.flushHeaders();
    }
    if (digests === '') return;
    this.#lines.update(digests);
    this.#response.write(digests);
  }

  end(result: unknown): void {
    if (!this.#isBegun) {
      sendText(this.#response, JSON.stringify(result), contentTypes.json);
      return;
    }
    const lines = this.#lines.digest('hex');
    this.#response.end(`${JSON.stringify({ ...Object(result), lines })}\n`);
  }

  /** Throws the error while the status can still be set. */
  fail(error: unknown): void {
    if (!this.#isBegun) throw error;
    this.#response.end(`${JSON.stringify(applyFailure(error))}\n`);
  }
}
