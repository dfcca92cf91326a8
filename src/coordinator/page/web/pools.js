// Pools as cards: what is in use, the last 24 hours, and the machines.
import { announce, byId, clock, confirmed, countText, element, post, svg } from './dom.js';
import {
  buildletPath,
  kindWord,
  labelChips,
  machinesText,
  machineWord,
  waitingText,
} from './words.js';

/** How many machines are named in a card. */
const namedLimit = 200;

/** Which cards show their machines. */
const opened = new Set();

const width = 288;
const height = 48;

/** Both as an area over the steps of the last 24 hours; what was in use below, what waited on top. */
function loadChart({ used, waiting }, capacity) {
  const demand = used.map((count, i) => (count === null ? null : count + waiting[i]));
  const top = Math.max(capacity, 1, ...demand.map((count) => count ?? 0));
  const x = (i) => ((i / used.length) * width).toFixed(1);
  const y = (count) => (height - (count / top) * (height - 2) - 1).toFixed(1);
  const area = (counts) =>
    counts
      .map((count, i) =>
        count === null ? '' : `M${x(i)} ${height}V${y(count)}H${x(i + 1)}V${height}Z`,
      )
      .join('');
  const most = (counts) => Math.max(0, ...counts.map((count) => count ?? 0));
  const label = `In the last 24 hours at most ${most(used)} in use, and ${most(waiting)} waiting`;
  return svg(
    'svg',
    {
      class: 'load',
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': label,
    },
    svg('path', { class: 'waited', d: area(demand) }),
    svg('path', { class: 'used', d: area(used) }),
    svg('path', { class: 'limit', d: `M0 ${y(capacity)}H${width}` }),
  );
}

function machineLine(one) {
  const { machine, labels, buildlet, owner, sinceMs, reason, note, isDrained, canDrain } = one;
  const word = machineWord(one);
  return element(
    'li',
    {},
    element('span', { className: 'dot', data: { machine: word } }),
    element('code', {}, machine ?? 'a machine'),
    ...labelChips(labels),
    ` ${word}`,
    isDrained && word !== 'drained' && ', drained',
    buildlet && [
      ' by ',
      element('a', { href: buildletPath(buildlet) }, buildlet),
      owner && ` of ${owner}`,
    ],
    sinceMs && [' for ', clock('since', sinceMs)],
    reason && `: ${reason}`,
    note && ` — ${note}`,
    canDrain && drainButton(machine, isDrained),
  );
}

/** Takes the machine out of use, or puts it back. */
function drainButton(machine, isDrained) {
  const word = isDrained ? 'Put back' : 'Drain';
  const label = `${word} ${machine}`;
  const made = element('button', { type: 'button', className: 'small', aria: { label } }, word);
  made.addEventListener('click', async () => {
    if (isDrained) {
      if (await post('/page/undrain', { machine })) announce(`${machine} is in use again.`);
      return;
    }
    const note = await confirmed({
      title: `Drain ${machine}?`,
      text: 'Nobody new gets it until it is put back. Whoever has it keeps it.',
      field: 'Why, for other admins',
      action: 'Drain it',
    });
    if (note === undefined) return;
    if (await post('/page/drain', { machine, note })) announce(`${machine} is drained.`);
  });
  return made;
}

function machineList(title, machines) {
  if (machines.length === 0) return undefined;
  const dots = machines.map((one) =>
    element('span', { className: 'dot', data: { machine: machineWord(one) } }),
  );
  const list = element('ul', { className: 'machines' });
  const details = element(
    'details',
    { open: opened.has(title) },
    element('summary', {}, machinesText(machines)),
    element('div', { className: 'dots', aria: { hidden: 'true' } }, ...dots),
    list,
  );
  const fill = () => {
    const more = machines.length - namedLimit;
    list.replaceChildren(
      ...machines.slice(0, namedLimit).map(machineLine),
      ...(more > 0 ? [element('li', {}, `and ${more} more`)] : []),
    );
  };
  if (details.open) fill();
  details.addEventListener('toggle', () => {
    if (details.open) {
      opened.add(title);
      if (list.childElementCount === 0) fill();
    } else opened.delete(title);
  });
  return details;
}

function card({ title, kind, capacity, lent, warm, waiting, machines }, queue, series) {
  const isFull = lent >= capacity;
  const use = element('meter', {
    ...{ min: 0, max: Math.max(capacity, 1), value: lent },
    aria: { label: `${lent} of ${capacity} in use` },
  });
  const notes = [
    warm > 0 && `${warm} kept ready`,
    capacity === 0 && (kind === 'reverse' ? 'none has dialled in' : 'none is up'),
    isFull && capacity > 0 && waiting === 0 && 'full',
  ].filter(Boolean);
  return element(
    'article',
    { className: 'card', aria: { label: `Pool ${title}` } },
    element(
      'header',
      {},
      element('h3', {}, title),
      element('p', { className: 'soft' }, kindWord(kind)),
    ),
    element(
      'p',
      { className: 'use' },
      element('b', {}, String(lent)),
      ` of ${capacity} in use`,
      notes.length > 0 && element('span', { className: 'soft' }, ` · ${notes.join(' · ')}`),
    ),
    use,
    series && [
      loadChart(series, capacity),
      element(
        'p',
        { className: 'axis soft' },
        element('span', {}, '24 h ago'),
        element('span', {}, 'now'),
      ),
    ],
    waiting > 0 &&
      element(
        'div',
        { className: 'waiting' },
        element('p', {}, `${countText(waiting, 'request')} ${waiting === 1 ? 'waits' : 'wait'}`),
        element(
          'ol',
          {},
          ...queue.slice(0, 5).map((row) => element('li', {}, ...waitingText(row, row.owner))),
        ),
        queue.length > 5 && element('p', { className: 'soft' }, `and ${queue.length - 5} more`),
      ),
    machineList(title, machines),
  );
}

export function showPools({ pools, queue, loads }) {
  const box = byId('pools');
  const focus = box.contains(document.activeElement)
    ? document.activeElement.closest('article')?.getAttribute('aria-label')
    : undefined;
  box.replaceChildren(
    ...pools.map((pool) => {
      // Pools of one host type have one queue: it is shown with the first.
      const isFirst = pools.find(({ hostType }) => hostType === pool.hostType) === pool;
      const own = isFirst ? queue.filter(({ hostType }) => hostType === pool.hostType) : [];
      return card(isFirst ? pool : { ...pool, waiting: 0 }, own, loads.pools[pool.name]);
    }),
  );
  if (focus === undefined || focus === null) return;
  [...box.children]
    .find((one) => one.getAttribute('aria-label') === focus)
    ?.querySelector('summary')
    ?.focus({ preventScroll: true });
}
