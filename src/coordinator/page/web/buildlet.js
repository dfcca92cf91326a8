// The page of one buildlet: its runs and their output, what was done to it, and what can be.
import {
  announce,
  byId,
  clean,
  clock,
  confirmed,
  copyButton,
  element,
  listen,
  post,
  runDurationText,
} from './dom.js';
import { Output } from './output.js';
import { showEvents, showFiles } from './records.js';
import { activityText, isCommand, labelChips, outcomeOf, stateBadge, stateOf } from './words.js';

const wanted = new URLSearchParams(location.search);
const name = wanted.get('name') ?? '';
const parts = { buildlet: null, ended: null, runs: [], files: [], events: [] };
/** The run whose output is shown, and from where in its log. */
let shownRun;
let wantedRun = wanted.get('run') ?? undefined;
let wantedFrom = /^[0-9]{1,15}$/.test(wanted.get('from') ?? '')
  ? Number(wanted.get('from'))
  : undefined;

function keepInAddress(line = location.hash) {
  const kept = new URLSearchParams({ name });
  if (wantedRun !== undefined) kept.set('run', wantedRun);
  if (wantedFrom > 0) kept.set('from', wantedFrom);
  history.replaceState(undefined, '', `?${kept}${line}`);
}

const output = new Output(({ run, from, line }) => {
  wantedRun = run;
  wantedFrom = from;
  keepInAddress(`#L${line}`);
  navigator.clipboard?.writeText(location.href).then(
    () => announce(`The link to line ${line} was copied.`),
    () => undefined,
  );
});

const runState = ({ isRunning, isPast, ...run }) => {
  if (isRunning) return { state: 'running', text: 'runs' };
  return outcomeOf(run);
};

function runRow(run) {
  const { id, command, startedMs, durationMs, isRunning, isPast, isDetached, by } = run;
  const { state, text } = runState(run);
  const isShown = id !== undefined && id === shownRun;
  const row = element(
    isPast ? 'div' : 'button',
    {
      className: 'run',
      ...(!isPast && { type: 'button', aria: { pressed: String(isShown) } }),
      data: { run: id ?? '' },
    },
    element('span', { className: 'state', data: { state } }, text),
    element('span', { className: 'command', title: clean(command) }, command),
    element(
      'span',
      { className: 'soft' },
      clock('ago', startedMs),
      isRunning
        ? [' · ', clock('since', startedMs)]
        : durationMs > 0 && ` · took ${runDurationText(durationMs)}`,
      isDetached && isRunning && ' · detached',
      by && parts.buildlet?.owner !== by && ` · by ${by}`,
    ),
  );
  if (!isPast) {
    row.addEventListener('click', () => {
      wantedFrom = undefined;
      showRun(run, '');
    });
  }
  return row;
}

function showRun(run, line = location.hash) {
  wantedRun = run.id;
  shownRun = run.id;
  keepInAddress(line);
  byId('output').hidden = false;
  byId('run-command').textContent = clean(run.command);
  output.open(name, run, wantedFrom);
  showRuns();
}

/** Requests that are no run of the machine's list: transfers, and commands of the base protocol. */
const otherActivity = () =>
  (parts.buildlet?.running ?? []).filter(({ run }) => !parts.runs.some(({ id }) => id === run));

function showRuns() {
  const { runs } = parts;
  const focused = document.activeElement?.closest('.run')?.dataset.run;
  const others = otherActivity().map((one) =>
    element(
      'div',
      { className: 'run' },
      element(
        'span',
        { className: 'state', data: { state: 'running' } },
        isCommand(one) ? 'runs' : 'at work',
      ),
      element('span', { className: isCommand(one) ? 'command' : '' }, activityText(one)),
      element('span', { className: 'soft' }, clock('since', one.sinceMs)),
    ),
  );
  byId('runs').replaceChildren(...others, ...runs.map(runRow));
  if (focused)
    byId('runs')
      .querySelector(`[data-run="${CSS.escape(focused)}"]`)
      ?.focus({ preventScroll: true });
  const going = runs.filter(({ isRunning }) => isRunning).length;
  byId('run-count').textContent =
    going > 0 ? `${runs.length}, ${going} running` : runs.length || '';
  if (runs.length + others.length === 0) {
    byId('runs').append(element('p', { className: 'empty' }, 'Nothing has run here yet.'));
  } else if (parts.buildlet === null) {
    byId('runs').append(
      element('p', { className: 'soft' }, 'The output of runs went with the buildlet.'),
    );
  }
  const shown = runs.find(({ id }) => id !== undefined && id === shownRun);
  byId('end-run').hidden = shown?.isRunning !== true;
  if (shownRun !== undefined) return;
  const readable = runs.filter(({ isPast }) => !isPast);
  const first =
    readable.find(({ id }) => id === wantedRun) ??
    readable.find(({ isRunning }) => isRunning) ??
    readable[0];
  if (first !== undefined) showRun(first);
}

const fact = (title, ...value) =>
  value.flat().every((one) => !one)
    ? []
    : [element('div', {}, element('dt', {}, title), element('dd', {}, ...value))];

function showHead() {
  const { buildlet, ended, runs } = parts;
  byId('name').textContent = clean(name);
  document.title = `${clean(name)} · gomote`;
  byId('parts').hidden = false;
  if (buildlet === null) {
    byId('state').replaceChildren(stateBadge('ended'));
    const why = ended?.why ?? '';
    byId('why').textContent = clean(why);
    byId('why').hidden = why === '';
    byId('labels').replaceChildren();
    byId('facts').replaceChildren(
      ...fact('Owner', ended?.owner),
      ...fact('Pool', ended?.hostType),
      ...fact('Ended', ended?.endedMs && clock('ago', ended.endedMs)),
      ...fact(
        'Was there for',
        ended?.endedMs && ended?.createdMs && runDurationText(ended.endedMs - ended.createdMs),
      ),
    );
    return;
  }
  const state = stateOf(buildlet);
  const isLasting = buildlet.state === 'running' || buildlet.state === 'dead';
  byId('state').replaceChildren(stateBadge(state));
  byId('labels').replaceChildren(...labelChips(buildlet.labels));
  byId('why').textContent = clean(buildlet.reason ?? '');
  byId('why').hidden = !buildlet.reason;
  byId('facts').replaceChildren(
    ...fact('Owner', buildlet.owner),
    ...fact('Type', buildlet.builderType),
    ...fact('Pool', buildlet.hostType),
    ...fact('Machine', buildlet.machine && element('code', {}, buildlet.machine)),
    ...fact('Age', clock('since', buildlet.createdMs)),
    ...fact(
      'Ends',
      isLasting && [
        clock('until', buildlet.expiresMs),
        runs.some(({ isRunning }) => isRunning)
          ? ', later while something runs'
          : ', if nobody uses it',
      ],
    ),
  );
}

function button(text, className, work) {
  const made = element('button', { type: 'button', className }, text);
  made.addEventListener('click', async () => {
    made.disabled = true;
    await work();
    made.disabled = false;
  });
  return made;
}

async function destroy(isMaking) {
  const yes = await confirmed(
    isMaking
      ? {
          title: `Stop the making of ${name}?`,
          text: 'Whoever waits for it is told so.',
          action: 'Stop it',
        }
      : {
          title: `Destroy ${name}?`,
          text: 'What runs there ends, and its files are lost.',
          action: 'Destroy',
        },
  );
  if (yes && (await post('/page/destroy', { name }))) announce('It is being removed.');
}

let actionsFor;
function showActions() {
  const state = parts.buildlet?.state ?? 'none';
  if (actionsFor === state) return;
  actionsFor = state;
  const extend = (duration, text) =>
    button(text, '', async () => {
      if (await post('/page/extend', { name, duration })) announce('It has more time.');
    });
  byId('actions').replaceChildren(
    ...(state === 'running' ? [extend('1h', 'Extend by 1 h'), extend('8h', '8 h')] : []),
    ...(state === 'running' || state === 'dead'
      ? [button('Destroy', 'danger', () => destroy(false))]
      : []),
    ...(state === 'creating' ? [button('Cancel', 'danger', () => destroy(true))] : []),
  );
  const commands =
    state === 'running'
      ? [
          `gomote run ${name} CMD`,
          `gomote push ${name}`,
          `gomote ssh ${name}`,
          `gomote ps ${name}`,
          `gomote destroy ${name}`,
        ]
      : [];
  byId('commands').replaceChildren(
    ...commands.map((text) =>
      element('li', {}, element('code', {}, text), copyButton(text, `Copy ${text}`)),
    ),
  );
  byId('commands').parentElement.hidden = commands.length === 0;
}

byId('end-run').addEventListener('click', async () => {
  const run = shownRun;
  const command = parts.runs.find(({ id }) => id === run)?.command ?? '';
  const yes = await confirmed({
    title: 'End this run?',
    text: `${clean(command, 200)} gets TERM, and after 5 s KILL.`,
    action: 'End it',
  });
  if (yes && (await post('/page/cancel', { name, run }))) announce('It was told to end.');
});

function show(state) {
  Object.assign(parts, state);
  showHead();
  showActions();
  showRuns();
  if (state.files !== undefined) showFiles(parts.files);
  if (state.events !== undefined) showEvents(parts.events);
}

listen(`/page/buildlet/events?${new URLSearchParams({ name })}`, show, () => {
  byId('name').textContent = clean(name) || 'No buildlet';
  byId('why').hidden = false;
  byId('why').textContent =
    'There is no such buildlet, or it is not yours. What ended long ago is forgotten.';
});
keepInAddress();
