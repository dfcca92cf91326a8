// The output of a run as lines, of both streams in the order in which they began.
import { ansi, plain } from './ansi.js';

/** How many lines are kept, and how much of one, in characters. */
const lineLimit = 200_000;
const lengthLimit = 20_000;

export class Lines {
  /** `{ stream, atMs, text, more, state }`; `more` is how many characters are not kept. */
  all = [];
  /** How many were dropped at the beginning. */
  dropped = 0;
  #open = { out: undefined, err: undefined };
  #states = { out: undefined, err: undefined };

  add(stream, text, atMs) {
    const pieces = text.split('\n');
    for (const [i, piece] of pieces.entries()) {
      const isLast = i === pieces.length - 1;
      if (piece !== '' || !isLast) this.#append(stream, piece, atMs);
      if (!isLast) this.#close(stream);
    }
    if (this.all.length > lineLimit * 1.1) {
      const extra = this.all.length - lineLimit;
      this.all.splice(0, extra);
      this.dropped += extra;
    }
  }

  #append(stream, piece, atMs) {
    let line = this.#open[stream];
    if (line === undefined) {
      line = { stream, atMs, text: '', more: 0, state: this.#states[stream] };
      this.#open[stream] = line;
      this.all.push(line);
    }
    let text = line.text + piece;
    // A line that is written again from its beginning, as progress bars are: the last of it is what is to be seen.
    const body = text.endsWith('\r') ? text.slice(0, -1) : text;
    const back = body.lastIndexOf('\r');
    if (back >= 0) {
      line.state = ansi(body.slice(0, back), line.state).state;
      text = text.slice(back + 1);
    }
    line.more += Math.max(0, text.length - lengthLimit);
    line.text = text.slice(0, lengthLimit);
  }

  #close(stream) {
    const line = this.#open[stream];
    if (line === undefined) return;
    if (line.text.endsWith('\r')) line.text = line.text.slice(0, -1);
    this.#states[stream] = ansi(line.text, line.state).state;
    this.#open[stream] = undefined;
  }

  /** A line of our own between those of the run. */
  note(text) {
    this.all.push({ stream: 'note', text, more: 0 });
  }

  /** The indices of lines that have the text, whatever its case. */
  find(text) {
    const wanted = text.toLowerCase();
    if (wanted === '') return [];
    return this.all.flatMap((line, at) =>
      plain(line.text).toLowerCase().includes(wanted) ? [at] : [],
    );
  }
}
