// The lists of the first page: what their columns are, and what one may look for.
import { bytesText, clean, clock, element, runDurationText } from './dom.js';
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

const nameColumn = {
  id: 'name',
  title: 'Name',
  by: ({ name }) => name,
  cell: ({ name }) =>
    element('a', { href: buildletPath(name), className: 'name', title: clean(name) }, name),
};
const ownerColumn = {
  id: 'owner',
  title: 'Owner',
  by: ({ owner }) => owner,
  cell: ({ owner }) => element('span', { className: 'owner', title: clean(owner) }, owner),
};
const poolColumn = {
  id: 'pool',
  title: 'Pool',
  by: ({ hostType }) => hostType ?? '',
  cell: ({ hostType }) => hostType,
};

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

const liveColumns = [
  nameColumn,
  {
    id: 'state',
    title: 'State',
    by: (view) => stateRank(stateOf(view)),
    cell: (view) => stateBadge(stateOf(view)),
  },
  ownerColumn,
  poolColumn,
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

const endedColumns = [
  nameColumn,
  {
    id: 'state',
    title: 'State',
    by: ({ isDead }) => (isDead ? 0 : 1),
    cell: ({ isDead }) => stateBadge(isDead ? 'dead' : 'ended'),
  },
  ownerColumn,
  poolColumn,
  {
    id: 'age',
    title: 'Ended',
    by: ({ endedMs }) => -(endedMs ?? 0),
    cell: ({ endedMs }) => (endedMs ? clock('ago', endedMs) : ''),
  },
  {
    id: 'ends',
    title: 'Was there',
    by: ({ createdMs, endedMs }) => (endedMs ?? 0) - (createdMs ?? 0),
    cell: ({ createdMs, endedMs }) =>
      createdMs && endedMs ? runDurationText(endedMs - createdMs) : '',
  },
  {
    id: 'running',
    title: 'Why',
    by: ({ why }) => why ?? '',
    cell: ({ why = '', runs }) => [
      element('span', { className: 'why', title: clean(why) }, why),
      runs > 0 && element('span', { className: 'chip' }, `${runs} ${runs === 1 ? 'run' : 'runs'}`),
    ],
  },
];

const useColumn = (id, title, of, toText = String) => ({
  ...{ id, title },
  by: (person) => -of(person),
  cell: (person) =>
    of(person) === 0 ? element('span', { className: 'soft' }, '–') : toText(of(person)),
});

const peopleColumns = [
  {
    id: 'name',
    title: 'Name',
    by: ({ name }) => name,
    cell: ({ name, isAdmin }) => [
      element('b', {}, name),
      isAdmin && element('span', { className: 'chip' }, 'admin'),
    ],
  },
  {
    id: 'now',
    title: 'Has now',
    by: ({ inUse }) => -inUse,
    cell: ({ inUse, maximum }) => `${inUse} of ${maximum}`,
  },
  useColumn(
    'dayHours',
    'Hours, 24 h',
    ({ day }) => day.hours,
    (hours) => hours.toFixed(1),
  ),
  useColumn(
    'weekHours',
    'Hours, 7 d',
    ({ week }) => week.hours,
    (hours) => hours.toFixed(1),
  ),
  useColumn('weekBuildlets', 'Buildlets, 7 d', ({ week }) => week.buildlets),
  useColumn('weekRuns', 'Runs, 7 d', ({ week }) => week.runs),
  useColumn('weekBytes', 'Files, 7 d', ({ week }) => week.bytes, bytesText),
];

/** All that one may look for, of one buildlet. */
const liveText = (view) =>
  [
    ...[view.name, view.owner, view.builderType, view.hostType, view.machine],
    ...[stateWord(stateOf(view)), stateOf(view), view.reason],
    ...Object.entries(view.labels ?? {}).flat(),
    ...view.running.map(activityText),
  ]
    .join(' ')
    .toLowerCase();

/** Each list: its columns, its first order, what is found by a filter, and where it comes from, if not with the events. */
export const lists = {
  live: { label: 'Buildlets', columns: liveColumns, sort: 'name', textOf: liveText },
  ended: {
    label: 'Ended buildlets',
    columns: endedColumns,
    sort: 'age',
    textOf: ({ name, owner, hostType, why }) =>
      [name, owner, hostType, why].join(' ').toLowerCase(),
    path: '/page/ended',
  },
  people: {
    label: 'People',
    columns: peopleColumns,
    sort: 'now',
    textOf: ({ name }) => name.toLowerCase(),
    path: '/page/people',
  },
};
