// The status page: takes what the coordinator sends and shows it. All text goes in as text, never as HTML.

const byId = (id) => document.getElementById(id);
const collator = new Intl.Collator('en', { numeric: true });

/** How many running commands of one buildlet are shown. */
const commandLimit = 3;

/** A buildlet that expires within this time stands out, in ms. */
const soonMs = 5 * 60_000;

/** What the server's clock is ahead of ours, in ms. */
let clockAheadMs = 0;

/** The rows shown: name → { view, row }. */
const buildlets = new Map();
let isAdmin = false;

function element(tag, properties = {}, ...children) {
  const { data, ...plain } = properties;
  const made = Object.assign(document.createElement(tag), plain);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

const units = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** `3 d 4 h`, `2 h 5 min`, `29 min`, `4 min 10 s`, `9 s`. */
function duration(ms) {
  const at = units.findIndex(([unitMs]) => ms >= unitMs);
  if (at < 0) return '0 s';
  const [unitMs, unit] = units[at];
  const first = `${Math.floor(ms / unitMs)} ${unit}`;
  const [nextMs, next] = units[at + 1] ?? [];
  const rest = Math.floor((ms % unitMs) / nextMs);
  // Seconds beside many minutes only distract.
  return rest > 0 && (next !== 's' || ms < soonMs) ? `${first} ${rest} ${next}` : first;
}

/** A time that goes on by itself: since then, or until then. */
function clock(kind, atMs) {
  const dateTime = new Date(atMs).toISOString();
  const made = element('time', { dateTime, data: { [kind]: String(atMs) } });
  made.title = new Date(atMs).toLocaleString();
  tick(made);
  return made;
}

function tick(time) {
  const now = Date.now() + clockAheadMs;
  if (time.dataset.since !== undefined) {
    time.textContent = duration(now - Number(time.dataset.since));
    return;
  }
  const leftMs = Number(time.dataset.until) - now;
  time.textContent = leftMs > 0 ? `in ${duration(leftMs)}` : 'now';
  time.classList.toggle('soon', leftMs < soonMs);
}

function cell(label, content, properties = {}) {
  const td = element('td', { ...properties, data: { label } });
  td.setAttribute('role', 'cell');
  td.append(...[content].flat());
  if (td.textContent === '') td.classList.add('nothing');
  return td;
}

function rowHeader(...content) {
  const th = element('th', { scope: 'row' }, ...content);
  th.setAttribute('role', 'rowheader');
  return th;
}

function tableRow(...cells) {
  const row = element('tr', {}, ...cells);
  row.setAttribute('role', 'row');
  return row;
}

/** What a person should know first: that it is not in use any more, else how its machine is. */
const stateOf = ({ state, health }) => (state === 'running' ? health : state);

const isLasting = ({ state }) => state === 'running' || state === 'dead';

function commandsOf({ running }) {
  if (running.length === 0) return [];
  const shown = running.slice(0, commandLimit).map(({ method, path, command, sinceMs }) => {
    const text = command || `${method} ${path}`;
    return element(
      'li',
      {},
      element('span', { className: 'command' }, text),
      clock('since', sinceMs),
    );
  });
  const list = element('ul', { className: 'commands' }, ...shown);
  const more = running.length - shown.length;
  return more > 0 ? [list, element('span', { className: 'more' }, `and ${more} more`)] : [list];
}

function buildletRow(view) {
  const name = [element('span', { className: 'name' }, view.name)];
  if (view.reason) name.push(element('span', { className: 'reason' }, view.reason));
  const state = stateOf(view);
  return tableRow(
    rowHeader(...name),
    cell('Health', element('span', { className: 'health', data: { state } }, state)),
    cell('Owner', view.owner),
    cell('Type', view.builderType),
    cell('Age', clock('since', view.createdMs)),
    cell('Expires', isLasting(view) ? clock('until', view.expiresMs) : ''),
    cell('Running', commandsOf(view)),
  );
}

/** Takes the changed rows in and puts all in order; the rest of the table is left as it is. */
function showBuildlets({ changed, gone }, isFirst) {
  if (isFirst) buildlets.clear();
  for (const name of gone) {
    buildlets.get(name)?.row.remove();
    buildlets.delete(name);
  }
  let isNew = isFirst;
  for (const view of changed) {
    const known = buildlets.get(view.name);
    const row = buildletRow(view);
    if (known === undefined) isNew = true;
    else known.row.replaceWith(row);
    if (known !== undefined && stateOf(known.view) !== stateOf(view)) row.classList.add('changed');
    buildlets.set(view.name, { view, row });
  }
  if (isNew) {
    const names = [...buildlets.keys()].sort(collator.compare);
    byId('buildlet-rows').replaceChildren(...names.map((name) => buildlets.get(name).row));
  }
  applyFilter();
}

function applyFilter() {
  const words = byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { view, row } of buildlets.values()) {
    const text = [view.name, view.owner, view.builderType, view.hostType, stateOf(view)]
      .join(' ')
      .toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  byId('no-buildlets').hidden = buildlets.size > 0;
  byId('buildlet-rows').parentElement.hidden = buildlets.size === 0;
}

const brokenMachine = (what) => (one) => {
  const reason = one.reason === undefined ? '' : `: ${one.reason}`;
  return element(
    'div',
    {},
    `${what} for `,
    clock('since', one.sinceMs),
    `: ${one.machine}${reason}`,
  );
};

function poolRow({ hostType, kind, capacity, lent, warm, waiting, down, outOfService }) {
  const broken = [
    ...down.map(brokenMachine('down')),
    ...outOfService.map(brokenMachine('out of service')),
  ];
  const use = element('meter', { min: 0, max: Math.max(capacity, 1), value: lent });
  use.setAttribute('aria-label', `${lent} of ${capacity} in use`);
  return tableRow(
    rowHeader(hostType),
    cell('Kind', element('span', {}, kind, ...broken)),
    cell('In use', element('span', { className: 'use' }, use, `${lent} of ${capacity}`)),
    cell('Kept ready', String(warm), { className: 'number' }),
    cell('Waiting', String(waiting), { className: 'number' }),
  );
}

const queueRow = ({ ahead, owner, hostType, sinceMs }) =>
  tableRow(
    cell('Place', String(ahead + 1)),
    cell('Owner', owner),
    cell('Host type', hostType),
    cell('Waits for', clock('since', sinceMs)),
  );

function showTotals(pools) {
  const views = [...buildlets.values()].map(({ view }) => view);
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  const capacity = sum(pools.map((pool) => pool.capacity));
  const lent = sum(pools.map((pool) => pool.lent));
  byId('total-buildlets').textContent = views.length;
  byId('total-running').textContent = sum(views.map(({ running }) => running.length));
  byId('total-free').textContent = `${Math.max(0, capacity - lent)} of ${capacity}`;
  byId('total-waiting').textContent = sum(pools.map((pool) => pool.waiting));
}

function show(state) {
  clockAheadMs = state.now - Date.now();
  isAdmin = state.isAdmin;
  byId('who').textContent = isAdmin ? `${state.user} (admin, sees all)` : state.user;
  showBuildlets(state.buildlets, state.isFirst);
  byId('pool-rows').replaceChildren(...state.pools.map(poolRow));
  byId('queue-rows').replaceChildren(...state.queue.map(queueRow));
  byId('queue').hidden = state.queue.length === 0;
  byId('no-queue').hidden = state.queue.length > 0;
  showTotals(state.pools);
  document.title = `${buildlets.size} · gomote`;
}

function showLink(state, text) {
  const link = byId('link');
  if (link.dataset.state === state) return;
  link.dataset.state = state;
  link.textContent = text;
}

function listen() {
  const events = new EventSource('/page/events');
  events.addEventListener('state', ({ data }) => {
    show(JSON.parse(data));
    showLink('live', 'live');
  });
  events.addEventListener('error', () => {
    showLink('lost', 'connection lost, trying again');
    if (events.readyState !== EventSource.CLOSED) return;
    // The server refused: it may be that one has to sign in again, which loading the page tells.
    setTimeout(() => location.reload(), 2_000);
  });
}

/** On a narrow screen the tables are shown as cards; assistive technology must still hear of tables. */
function keepTableRoles() {
  const roles = {
    table: 'table',
    'thead, tbody': 'rowgroup',
    tr: 'row',
    'th[scope=col]': 'columnheader',
  };
  for (const [selector, role] of Object.entries(roles)) {
    for (const found of document.querySelectorAll(selector)) found.setAttribute('role', role);
  }
}

keepTableRoles();
byId('filter').addEventListener('input', applyFilter);
setInterval(() => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll('time')) tick(time);
}, 1_000);
listen();
