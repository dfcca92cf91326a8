// The first page: what is wrong, the pools, and the buildlets.
import { byId, countText, element, listen } from './dom.js';
import { lists } from './lists.js';
import { showPools } from './pools.js';
import { Rows } from './rows.js';
import { buildletPath, isCommand } from './words.js';

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
  sort: wanted.get('sort') ?? '',
  group: wanted.get('group') ?? '',
  show: Object.hasOwn(lists, wanted.get('show') ?? '') ? wanted.get('show') : 'live',
};

const groupings = {
  owner: ({ owner }) => owner,
  pool: ({ hostType }) => hostType,
};

function keepInAddress() {
  const kept = new URLSearchParams();
  if (settings.q !== '') kept.set('q', settings.q);
  if (settings.sort !== '') kept.set('sort', settings.sort);
  if (settings.group !== '') kept.set('group', settings.group);
  if (settings.show !== 'live') kept.set('show', settings.show);
  history.replaceState(undefined, '', kept.size > 0 ? `/?${kept}` : '/');
}

/** Each list: its rows in the page, and those that there are. */
const shown = new Map(
  Object.entries(lists).map(([id, { label, columns }]) => [
    id,
    {
      views: [],
      rows: new Rows({
        ...{ label, columns, groupLabel },
        scroller: byId(id),
        onSort: (sort) => {
          settings.sort = sort;
          keepInAddress();
          showRows();
        },
      }),
    },
  ]),
);

function groupLabel(key, views) {
  const commands = views.flatMap(({ running = [] }) => running).filter(isCommand).length;
  const running = commands > 0 ? `, ${countText(commands, 'command')}` : '';
  return [
    element('b', {}, key),
    element('span', { className: 'soft' }, ` ${countText(views.length, 'buildlet')}${running}`),
  ];
}

const emptyTexts = {
  live: ['No buildlets. ', element('code', {}, 'gomote create TYPE'), ' makes one.'],
  ended: ['Nothing has ended that is still known.'],
  people: ['Nobody may use this coordinator yet.'],
};

function showRows() {
  const { show, q } = settings;
  const { rows, views } = shown.get(show);
  const all = show === 'live' ? [...buildlets.values()] : views;
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const { textOf, sort } = lists[show];
  const fits = (view) => {
    const text = textOf(view);
    return words.every((word) => text.includes(word));
  };
  const found = words.length === 0 ? all : all.filter(fits);
  const longest = Math.max(12, ...found.map(({ name }) => name.length));
  byId(show).style.setProperty('--name', `${Math.min(64, longest)}ch`);
  const group = show === 'people' ? undefined : groupings[settings.group];
  rows.show(found, { sort: settings.sort || sort, group });
  const running = [...buildlets.values()].flatMap((view) => view.running.filter(isCommand)).length;
  const count = found.length === all.length ? `${all.length}` : `${found.length} of ${all.length}`;
  const commands = running > 0 ? ` · ${countText(running, 'command')} running` : '';
  byId('count').textContent = show === 'live' ? `${count}${commands}` : count;
  for (const id of shown.keys()) byId(id).hidden = id !== show || found.length === 0;
  byId('empty').hidden = found.length > 0;
  const isFiltered = all.length > 0;
  byId('empty').replaceChildren(...(isFiltered ? ['Nothing fits the filter.'] : emptyTexts[show]));
}

/** Lists that do not come with the events are asked for while they are shown. */
async function fetchList() {
  const { show } = settings;
  const { path } = lists[show];
  if (path === undefined || document.hidden) return;
  const reply = await fetch(path).catch(() => undefined);
  if (reply?.ok !== true) return;
  shown.get(show).views = await reply.json();
  if (show === settings.show) showRows();
}

function showTab() {
  for (const tab of byId('tabs').children) {
    tab.setAttribute('aria-pressed', String(tab.dataset.show === settings.show));
  }
  byId('what').textContent = lists[settings.show].label;
  byId('group').disabled = settings.show === 'people';
  showRows();
  void fetchList();
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
  byId('tabs').querySelector('[data-show=people]').hidden = !isAdmin;
  if (state.isFirst) buildlets.clear();
  for (const name of state.buildlets?.gone ?? []) buildlets.delete(name);
  for (const view of state.buildlets?.changed ?? []) buildlets.set(view.name, view);
  Object.assign(parts, state);
  if (state.problems !== undefined) showProblems(parts.problems);
  if (state.pools ?? state.queue ?? state.loads) showPools(parts);
  if (!hasCome) showTab();
  else if (state.buildlets !== undefined && settings.show === 'live') showRows();
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
byId('tabs').addEventListener('click', ({ target }) => {
  const { show } = target.closest('button')?.dataset ?? {};
  if (show === undefined) return;
  Object.assign(settings, { show, sort: '' });
  keepInAddress();
  showTab();
});
setInterval(fetchList, 15_000);
byId('group').addEventListener('change', ({ target }) => {
  settings.group = target.value;
  keepInAddress();
  showRows();
});

// Who was on the way to another page when they had to sign in.
const next = sessionStorage.getItem('next') ?? '';
sessionStorage.removeItem('next');
if (next.startsWith('/page/buildlet?')) location.replace(next);
else listen('/page/events', show);
