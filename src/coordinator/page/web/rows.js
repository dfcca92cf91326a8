// A table of any length: only the rows within sight are in the page. It sorts, groups, and keeps what has the focus.
import { element } from './dom.js';

/** How many rows are kept ready above and below. */
const spare = 8;

const collator = new Intl.Collator('en', { numeric: true });
const compare = (a, b) =>
  typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));

export class Rows {
  #scroller;
  #body;
  #columns;
  #groupLabel;
  #head = new Map();
  /** The rows in the page, by their keys. */
  #shown = new Map();
  #items = [];
  #closed = new Set();
  #given = { views: [], sort: '', group: undefined };

  /**
   * @param columns `{ id, title, cell(view), by(view), isHidden }`
   * @param onSort Called with the wanted order: a column's id, with `-` before it the other way round.
   */
  constructor({ label, scroller, columns, onSort, groupLabel }) {
    const table = scroller.firstElementChild;
    this.#scroller = scroller;
    this.#columns = columns;
    this.#groupLabel = groupLabel;
    this.#body = element('div', { role: 'rowgroup', className: 'rows' });
    const head = element('div', { role: 'row', className: 'row head' });
    for (const { id, title } of columns) {
      const button = element('button', { type: 'button' }, title);
      button.addEventListener('click', () => onSort(this.#given.sort === id ? `-${id}` : id));
      const cell = element('div', { role: 'columnheader', data: { column: id } }, button);
      this.#head.set(id, cell);
      head.append(cell);
    }
    table.setAttribute('role', 'table');
    table.setAttribute('aria-label', label);
    // Whoever has no mouse scrolls it with the keyboard.
    scroller.tabIndex = 0;
    scroller.setAttribute('role', 'group');
    scroller.setAttribute('aria-label', label);
    table.replaceChildren(
      element('div', { role: 'rowgroup', className: 'heads' }, head),
      this.#body,
    );
    scroller.addEventListener('scroll', () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#draw()).observe(scroller);
    this.table = table;
  }

  /** Shows the views in that order, below a line for each group. */
  show(views, { sort, group }) {
    this.#given = { views, sort, group };
    const isDown = sort.startsWith('-');
    const id = isDown ? sort.slice(1) : sort;
    const { by } = this.#columns.find((column) => column.id === id) ?? this.#columns[0];
    for (const [column, cell] of this.#head) {
      const order = isDown ? 'descending' : 'ascending';
      cell.setAttribute('aria-sort', column === id ? order : 'none');
    }
    const keyed = views.map((view) => [by(view), view]);
    keyed.sort(([a, one], [b, other]) => {
      const order = compare(a, b) || collator.compare(one.name, other.name);
      return isDown ? -order : order;
    });
    const sorted = keyed.map(([, view]) => view);
    this.#items = group === undefined ? sorted.map(asRow) : this.#grouped(sorted, group);
    this.table.setAttribute('aria-rowcount', String(this.#items.length + 1));
    this.#draw();
  }

  #grouped(views, group) {
    const groups = new Map();
    for (const view of views) {
      const key = group(view);
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(view);
    }
    return [...groups]
      .sort(([a], [b]) => compare(a, b))
      .flatMap(([key, members]) => [
        { key: `group ${key}`, group: key, members },
        ...(this.#closed.has(key) ? [] : members.map(asRow)),
      ]);
  }

  /** The height of a row, which CSS says in rem. */
  get #heightPx() {
    const style = getComputedStyle(this.#body);
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    return Number.parseFloat(style.getPropertyValue('--row')) * rem;
  }

  #draw() {
    const heightPx = this.#heightPx;
    this.#body.style.height = `${this.#items.length * heightPx}px`;
    const from = Math.max(0, Math.floor(this.#scroller.scrollTop / heightPx) - spare);
    const count = Math.ceil(this.#scroller.clientHeight / heightPx) + 2 * spare;
    const wanted = new Map();
    for (let at = from; at < Math.min(this.#items.length, from + count); at++) {
      wanted.set(this.#items[at].key, at);
    }
    const focused = document.activeElement?.closest('[data-key]')?.dataset.key;
    for (const [key, { row }] of this.#shown) {
      if (wanted.has(key)) continue;
      const at = key === focused ? this.#items.findIndex((item) => item.key === key) : -1;
      if (at >= 0) wanted.set(key, at);
      else {
        row.remove();
        this.#shown.delete(key);
      }
    }
    // The order in the page is that on the screen: the keyboard and what is read out go by it.
    let next = this.#body.firstChild;
    for (const [key, at] of [...wanted].sort(([, a], [, b]) => a - b)) {
      const row = this.#place(key, at, heightPx);
      if (row === next) next = next.nextSibling;
      else {
        const focus = row.contains(document.activeElement) ? document.activeElement : undefined;
        this.#body.insertBefore(row, next);
        focus?.focus({ preventScroll: true });
      }
    }
  }

  #place(key, at, heightPx) {
    const item = this.#items[at];
    let shown = this.#shown.get(key);
    if (shown === undefined) {
      const row = element('div', { role: 'row', data: { key } });
      shown = { row };
      this.#shown.set(key, shown);
    }
    const { row } = shown;
    if (shown.of !== (item.view ?? item.members)) {
      shown.of = item.view ?? item.members;
      const hadFocus = row.contains(document.activeElement);
      row.className = item.view === undefined ? 'row group' : 'row';
      row.replaceChildren(
        ...(item.view === undefined ? [this.#groupCell(item)] : this.#cells(item.view)),
      );
      if (hadFocus) row.querySelector('a, button')?.focus({ preventScroll: true });
    }
    if (shown.at === at && shown.heightPx === heightPx) return row;
    Object.assign(shown, { at, heightPx });
    row.style.transform = `translateY(${at * heightPx}px)`;
    row.setAttribute('aria-rowindex', String(at + 2));
    return row;
  }

  #cells(view) {
    return this.#columns.map(({ id, cell }, i) => {
      const role = i === 0 ? 'rowheader' : 'cell';
      return element('div', { role, data: { column: id } }, ...[cell(view)].flat());
    });
  }

  #groupCell({ group, members }) {
    const isOpen = !this.#closed.has(group);
    const button = element(
      'button',
      { type: 'button', aria: { expanded: String(isOpen) } },
      ...this.#groupLabel(group, members),
    );
    button.addEventListener('click', () => {
      if (isOpen) this.#closed.add(group);
      else this.#closed.delete(group);
      this.show(this.#given.views, this.#given);
    });
    return element('div', { role: 'rowheader', data: { column: 'group' } }, button);
  }
}

const asRow = (view) => ({ key: `row ${view.name}`, view });
