// The first page: what is wrong, the pools, and the buildlets.
import { byId, clean, clock, countText, element, listen } from './dom.js';
import { showPools } from './pools.js';
import { Rows } from './rows.js';
import {
  activityText,
  buildletPath,
  isCommand,
  labelChips,
  stateBadge,
  stateOf,
  stateRank,
  stateWord,
} from './words.js';

/** What there is: name → view. */
const buildlets = new Map();
/** The parts of the page as they came last. */
const parts = { problems: [], pools: [], queue: [], loads: { pools: {} } };
let isAdmin = false;
let hasCome = false;

/** What the address says of the list. */
const wanted = new URLSearchParams(location.search);
const settings = {
  q: wanted.get('q') ?? '',
  sort: wanted.get('sort') ?? 'name',
  group: wanted.get('group') ?? '',
};

const groupings = {
  owner: ({ owner }) => owner,
  pool: ({ hostType }) => hostType,
};

function keepInAddress() {
  const kept = new URLSearchParams();
  if (settings.q !== '') kept.set('q', settings.q);
  if (settings.sort !== 'name') kept.set('sort', settings.sort);
  if (settings.group !== '') kept.set('group', settings.group);
  history.replaceState(undefined, '', kept.size > 0 ? `/?${kept}` : '/');
}

function runningCell({ running, reason, labels }) {
  if (reason) return element('span', { className: 'reason', title: clean(reason) }, reason);
  const chips = labelChips(labels);
  const [first] = [...running].sort((a, b) => isCommand(b) - isCommand(a));
  if (first === undefined) return [element('span', { className: 'soft' }, 'idle'), ...chips];
  const text = activityText(first);
  return [
    element('span', { className: isCommand(first) ? 'command' : 'soft', title: clean(text) }, text),
    element('span', { className: 'soft' }, clock('since', first.sinceMs)),
    running.length > 1 && element('span', { className: 'chip' }, `+${running.length - 1}`),
    ...chips,
  ].filter(Boolean);
}

const isLasting = ({ state }) => state === 'running' || state === 'dead';

const columns = [
  {
    id: 'name',
    title: 'Name',
    by: ({ name }) => name,
    cell: ({ name }) => [
      element('a', { href: buildletPath(name), className: 'name', title: name }, name),
    ],
  },
  {
    id: 'state',
    title: 'State',
    by: (view) => stateRank(stateOf(view)),
    cell: (view) => stateBadge(stateOf(view)),
  },
  { id: 'owner', title: 'Owner', by: ({ owner }) => owner, cell: ({ owner }) => owner },
  { id: 'pool', title: 'Pool', by: ({ hostType }) => hostType, cell: ({ hostType }) => hostType },
  {
    id: 'age',
    title: 'Age',
    by: ({ createdMs }) => -createdMs,
    cell: ({ createdMs }) => clock('since', createdMs),
  },
  {
    id: 'ends',
    title: 'Ends',
    by: ({ expiresMs }) => expiresMs,
    cell: (view) => (isLasting(view) ? clock('until', view.expiresMs) : ''),
  },
  {
    id: 'running',
    title: 'What it does',
    by: ({ running }) => -running.length,
    cell: runningCell,
  },
];

const rows = new Rows({
  label: 'Buildlets',
  scroller: byId('scroller'),
  table: byId('table'),
  columns,
  onSort: (sort) => {
    settings.sort = sort;
    keepInAddress();
    showRows();
  },
  groupLabel: (key, views) => {
    const commands = views.flatMap(({ running }) => running.filter(isCommand)).length;
    return [
      element('b', {}, key),
      element(
        'span',
        { className: 'soft' },
        ` ${countText(views.length, 'buildlet')}${commands > 0 ? `, ${countText(commands, 'command')}` : ''}`,
      ),
    ];
  },
});

/** All that one may look for, of one buildlet. */
const textOf = (view) =>
  [
    ...[view.name, view.owner, view.builderType, view.hostType, view.machine],
    ...[stateWord(stateOf(view)), stateOf(view), view.reason],
    ...Object.entries(view.labels ?? {}).flat(),
    ...view.running.map(activityText),
  ]
    .join(' ')
    .toLowerCase();

function showRows() {
  const words = settings.q.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...buildlets.values()];
  const found =
    words.length === 0
      ? all
      : all.filter((view) => {
          const text = textOf(view);
          return words.every((word) => text.includes(word));
        });
  byId('table').style.setProperty(
    '--name',
    `${Math.min(44, Math.max(12, ...found.map(({ name }) => name.length)))}ch`,
  );
  rows.show(found, { sort: settings.sort, group: groupings[settings.group] });
  const running = all.flatMap((view) => view.running.filter(isCommand)).length;
  const shown = found.length === all.length ? `${all.length}` : `${found.length} of ${all.length}`;
  byId('count').textContent =
    `${shown}${running > 0 ? ` · ${countText(running, 'command')} running` : ''}`;
  byId('scroller').hidden = found.length === 0;
  const empty = byId('empty');
  empty.hidden = found.length > 0;
  if (found.length > 0) return;
  if (all.length > 0) empty.replaceChildren('Nothing fits the filter.');
  else
    empty.replaceChildren(
      'No buildlets. ',
      element('code', {}, 'gomote create TYPE'),
      ' makes one.',
    );
}

const marks = { bad: 'Error', warn: 'Warning', info: 'Note' };

function showProblems(problems) {
  const box = byId('problems');
  box.hidden = problems.length === 0;
  box.replaceChildren(
    ...problems.map(({ level, title, text, todo, buildlet }) =>
      element(
        'article',
        { className: 'problem', data: { level } },
        element(
          'h2',
          {},
          element('span', { className: 'mark' }, marks[level]),
          ' ',
          buildlet ? element('a', { href: buildletPath(buildlet) }, title) : title,
        ),
        element('p', {}, text && `${text} `, element('span', { className: 'soft' }, todo)),
      ),
    ),
  );
}

function show(state) {
  isAdmin = state.isAdmin;
  document.body.classList.toggle('admin', isAdmin);
  if (state.isFirst) buildlets.clear();
  for (const name of state.buildlets?.gone ?? []) buildlets.delete(name);
  for (const view of state.buildlets?.changed ?? []) buildlets.set(view.name, view);
  Object.assign(parts, state);
  if (state.problems !== undefined) showProblems(parts.problems);
  if (state.pools ?? state.queue ?? state.loads) showPools(parts);
  if (state.buildlets !== undefined || !hasCome) showRows();
  hasCome = true;
  const bad = parts.problems.filter(({ level }) => level !== 'info').length;
  document.title = `${bad > 0 ? `(${bad}) ` : ''}${countText(buildlets.size, 'buildlet')} · gomote`;
}

byId('filter').value = settings.q;
byId('group').value = settings.group in groupings ? settings.group : '';
settings.group = byId('group').value;
byId('filter').addEventListener('input', ({ target }) => {
  settings.q = target.value;
  keepInAddress();
  showRows();
});
byId('group').addEventListener('change', ({ target }) => {
  settings.group = target.value;
  keepInAddress();
  showRows();
});
listen('/page/events', show);
