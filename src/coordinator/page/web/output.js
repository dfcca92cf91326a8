// The output of one run: live, with its colours, in lines that can be linked to and searched. Only those within sight are in the page.
import { ansi } from './ansi.js';
import { byId, clean, countText, element, runDurationText, whileVisible } from './dom.js';
import { Lines } from './lines.js';

/** How much of the log is shown, of its end, in bytes; more is in the file. */
const shownBytes = 16 << 20;

/** How much of one line is shown, in characters. */
const shownLength = 4_000;

const spare = 20;

export class Output {
  #box = byId('log');
  #body = byId('lines');
  /** Ends the reading. */
  #end;
  #isOver = false;
  #lines = new Lines();
  #from = 0;
  #found = [];
  #foundAt = -1;
  #isFollowing = true;
  #isDue = false;
  #run;
  /** Called when the address is to be another: with the run's parameters and the line. */
  #onPlace;

  constructor(onPlace) {
    this.#onPlace = onPlace;
    this.#box.tabIndex = 0;
    this.#box.addEventListener(
      'scroll',
      () => {
        const { scrollTop, scrollHeight, clientHeight } = this.#box;
        this.#follow(scrollTop + clientHeight >= scrollHeight - 4);
        this.#draw();
      },
      { passive: true },
    );
    new ResizeObserver(() => this.#later()).observe(this.#box);
    byId('follow').addEventListener('change', ({ target }) => {
      this.#follow(target.checked);
      this.#later();
    });
    byId('search').addEventListener('input', () => this.#search());
    byId('search').addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      this.#goFound(event.shiftKey ? -1 : 1);
    });
    byId('next').addEventListener('click', () => this.#goFound(1));
    byId('previous').addEventListener('click', () => this.#goFound(-1));
  }

  #follow(isFollowing) {
    this.#isFollowing = isFollowing;
    byId('follow').checked = isFollowing;
  }

  /** Begins with a run, from that offset of its log, if one is given. */
  open(name, { id, logBytes }, from) {
    this.close();
    this.#run = id;
    this.#from = from ?? Math.max(0, logBytes - shownBytes);
    this.#lines = new Lines();
    this.#follow(this.#wantedLine === undefined);
    this.#say('loading…');
    byId('cut').hidden = this.#from === 0;
    const query = new URLSearchParams({ name, run: id });
    byId('download').href = `/page/run/output?${query}`;
    query.set('from', this.#from);
    this.#isOver = false;
    this.#end = whileVisible(() => (this.#isOver ? undefined : this.#connect(query)));
  }

  /** Each event says where to continue after it, should there be another connection. */
  #connect(query) {
    const events = new EventSource(`/page/run/events?${query}`);
    events.addEventListener('open', () => this.#say('live'));
    events.addEventListener('out', ({ data, lastEventId }) => {
      query.set('after', lastEventId);
      const { s, at, text } = JSON.parse(data);
      this.#lines.add(s, text, at);
      if (s === 'err') this.#box.classList.add('two-streams');
      this.#later();
    });
    events.addEventListener('gap', ({ data }) => {
      const { lost } = JSON.parse(data);
      if (lost > 0)
        this.#lines.note(`… ${countText(lost, 'byte')} that the buildlet had no room for …`);
      this.#later();
    });
    events.addEventListener('end', ({ data }) => {
      const { code, signal, why, durationMs } = JSON.parse(data);
      const how =
        why === 'timeout'
          ? 'ended: its time was over'
          : signal
            ? `ended by ${signal}`
            : `exit status ${code}`;
      this.#say(`${how} after ${runDurationText(durationMs)}`);
      this.#isOver = true;
      events.close();
      this.#later();
    });
    events.addEventListener('error', () => {
      if (events.readyState === EventSource.CLOSED) this.#say('the output cannot be had any more');
      else this.#say('connection lost, trying again');
    });
    return events;
  }

  close() {
    this.#end?.();
    this.#box.classList.remove('two-streams');
    this.#body.replaceChildren();
    this.#found = [];
    this.#run = undefined;
  }

  #say(text) {
    byId('log-state').textContent = text;
  }

  get #wantedLine() {
    const found = /^#L([0-9]{1,9})$/.exec(location.hash);
    return found === null ? undefined : Number(found[1]);
  }

  #later() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
      const line = this.#wantedLine;
      if (
        line !== undefined &&
        this.#linked !== `${this.#run} ${line}` &&
        this.#lines.all.length + this.#lines.dropped >= line
      ) {
        this.#linked = `${this.#run} ${line}`;
        this.#show(line - 1 - this.#lines.dropped);
      } else if (this.#isFollowing) {
        this.#box.scrollTop = this.#box.scrollHeight;
      }
      if (byId('search').value !== '') this.#search(false);
    });
  }
  #linked = '';

  get #heightPx() {
    return 1.25 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  /** Brings the line into sight. */
  #show(at) {
    this.#follow(false);
    this.#box.scrollTop = Math.max(0, at * this.#heightPx - this.#box.clientHeight / 2);
    this.#draw();
  }

  #draw() {
    const { all, dropped } = this.#lines;
    const heightPx = this.#heightPx;
    const first = Math.max(0, Math.floor(this.#box.scrollTop / heightPx) - spare);
    const last = Math.min(
      all.length,
      first + Math.ceil(this.#box.clientHeight / heightPx) + 2 * spare,
    );
    const words = byId('search').value.toLowerCase();
    byId('lines-size').style.height = `${all.length * heightPx}px`;
    this.#body.style.transform = `translateY(${first * heightPx}px)`;
    const hadFocus = this.#body.contains(document.activeElement)
      ? document.activeElement.dataset.line
      : undefined;
    this.#body.replaceChildren(
      ...all.slice(first, last).map((line, i) => this.#row(line, first + i + 1 + dropped, words)),
    );
    if (hadFocus !== undefined) {
      this.#body
        .querySelector(`[data-line="${CSS.escape(hadFocus)}"]`)
        ?.focus({ preventScroll: true });
    }
    byId('no-output').hidden = all.length > 0;
  }

  #row({ stream, text, more, atMs, state }, number, words) {
    const link = element(
      'a',
      {
        href: `#L${number}`,
        className: 'number',
        data: { line: String(number) },
        aria: { label: `Line ${number}` },
      },
      String(number),
    );
    link.addEventListener('click', (event) => {
      event.preventDefault();
      this.#linked = `${this.#run} ${number}`;
      this.#onPlace({ run: this.#run, from: this.#from, line: number });
      this.#draw();
    });
    const hidden = more + Math.max(0, text.length - shownLength);
    const { parts } = ansi(text.slice(0, shownLength), state);
    return element(
      'div',
      {
        className: `line ${stream}${this.#wantedLine === number ? ' linked' : ''}`,
        title: atMs === undefined ? '' : new Date(atMs).toLocaleString(),
      },
      link,
      element('span', { className: 'stream' }, stream === 'err' ? 'err' : ''),
      element(
        'code',
        {},
        ...parts.flatMap(({ text: part, className }) => marked(part, className, words)),
        hidden > 0 &&
          element(
            'span',
            { className: 'soft' },
            ` … ${countText(hidden, 'more character')} in the file`,
          ),
      ),
    );
  }

  #search(goes = true) {
    const text = byId('search').value;
    this.#found = this.#lines.find(text);
    if (goes) this.#foundAt = -1;
    if (goes && this.#found.length > 0) this.#goFound(1);
    else this.#sayFound();
    if (goes) this.#draw();
  }

  #goFound(step) {
    const { length } = this.#found;
    if (length === 0) return this.#sayFound();
    this.#foundAt = (this.#foundAt + step + length) % length;
    this.#show(this.#found[this.#foundAt]);
    this.#sayFound();
  }

  #sayFound() {
    const { length } = this.#found;
    const text = length === 0 ? 'nothing found' : `${this.#foundAt + 1} of ${length}`;
    byId('found').textContent = byId('search').value === '' ? '' : text;
  }
}

/** The text in a span, with what is looked for marked. */
function marked(text, className, words) {
  const shown = clean(text, Number.POSITIVE_INFINITY);
  if (words === '' || !shown.toLowerCase().includes(words)) return [span(className, shown)];
  const pieces = [];
  const lower = shown.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(words); at >= 0; at = lower.indexOf(words, from)) {
    pieces.push(shown.slice(from, at), element('mark', {}, shown.slice(at, at + words.length)));
    from = at + words.length;
  }
  return [span(className, ...pieces, shown.slice(from))];
}

function span(className, ...children) {
  const made = document.createElement('span');
  made.className = className;
  // What is cleaned already: a line may be longer than other texts.
  made.append(...children);
  return made;
}
