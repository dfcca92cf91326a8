// What people call what the coordinator has other names for.
import { clock, countText, element } from './dom.js';

const stateWords = {
  well: 'healthy',
  unknown: 'not asked yet',
  silent: 'not answering',
  dead: 'dead',
  creating: 'starting',
  ending: 'being removed',
  ended: 'ended',
};

const stateOrder = ['dead', 'silent', 'creating', 'ending', 'unknown', 'well', 'ended'];

/** What a person should know first: that it is not in use any more, else how its machine is. */
export const stateOf = ({ state, health }) => (state === 'running' ? health : state);

export const stateWord = (state) => stateWords[state] ?? state;

/** The worst comes first. */
export const stateRank = (state) => stateOrder.indexOf(state);

export const stateBadge = (state, title = '') =>
  element('span', { className: 'state', title, data: { state } }, stateWord(state));

const kindWords = {
  local: 'processes on the coordinator’s machine',
  static: 'machines that are always there',
  reverse: 'machines that dial in',
  kubernetes: 'pods, made when asked for',
  gce: 'virtual machines, made when asked for',
  docker: 'containers, made when asked for',
  ssh: 'processes on hosts reached by ssh',
};

export const kindWord = (kind) => kindWords[kind] ?? 'machines made when asked for';

const requestWords = {
  '/exec': 'a command',
  '/session': 'a command',
  '/write': 'receives a file',
  '/writetgz': 'receives files',
  '/tgz': 'sends files',
  '/ls': 'lists files',
  '/removeall': 'removes files',
  '/sync/apply': 'receives files of a push',
  '/sync/state': 'compares files',
  '/sync/manifest': 'compares files',
  '/sync/differences': 'compares files',
  '/sync/chunks': 'compares files',
  '/sync/read': 'sends files of a pull',
  '/forward': 'a forwarded port is open',
};

/** What continues, of one that is running. */
export const activityText = ({ method, path, command }) =>
  command ||
  (path === '/file' && method === 'PUT' && 'receives a file') ||
  requestWords[path] ||
  'answers a request';

export const isCommand = ({ command }) => Boolean(command);

export const buildletPath = (name, more = {}) =>
  `/page/buildlet?${new URLSearchParams({ name, ...more })}`;

/** How a run ended: `ok`, `failed` or `unknown`, and in words. */
export function outcomeOf({ code, signal, outcome = '' }) {
  if (signal) return { state: 'failed', text: `ended by ${signal}` };
  if (code === 0 || outcome === 'ok') return { state: 'ok', text: 'succeeded' };
  if (typeof code === 'number') return { state: 'failed', text: `exit status ${code}` };
  if (outcome === 'it goes on') return { state: 'running', text: 'goes on' };
  return { state: 'unknown', text: outcome || 'unknown' };
}

/** What a list of machines is made of: `8 in use, 3 free, 1 down`. */
export function machinesText(machines) {
  const counts = new Map();
  for (const one of machines) {
    const word = machineWord(one);
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}

export const machineWord = ({ state, isDrained }) => {
  if (isDrained && state === 'free') return 'drained';
  return state === 'unclean' ? 'not clean' : state;
};

export const labelChips = (labels = {}) =>
  Object.entries(labels).map(([key, value]) =>
    element('span', { className: 'chip' }, value === '' ? key : `${key}: ${value}`),
  );

export const waitingText = ({ ahead, count, hostType, priority, sinceMs }, owner) => [
  owner && element('b', {}, owner),
  ` ${ahead === 0 ? 'is next' : `has ${ahead} ahead`}`,
  count > 1 && ` for ${countText(count, 'machine')} at once`,
  ` of ${hostType}`,
  priority !== 'normal' && `, ${priority} priority`,
  ', for ',
  clock('since', sinceMs),
];
