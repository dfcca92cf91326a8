// What the pages are made of. All text goes in as text, never as HTML, with what cannot be seen made visible.

export const byId = (id) => document.getElementById(id);

/** Characters that are obeyed, reorder text, end lines, or cannot be seen, and halves of surrogate pairs. */
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\p{Cs}\u{e0000}-\u{e007f}]/gu;

/** The longest text that is shown in one place, in characters. */
const textLimit = 2_000;

/** The text as it may be shown; without a limit where that is `Infinity`. */
export function clean(text, limit = textLimit) {
  const shown = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return shown.replaceAll(unsafe, (sign) => `\\u{${sign.codePointAt(0).toString(16)}}`);
}

const cleaned = (children) =>
  children
    .flat()
    .filter((one) => one !== undefined && one !== null && one !== false && one !== '')
    .map((one) => (one instanceof Node ? one : clean(String(one))));

/** An element; `data` are its data attributes, `aria` such as `{ label: … }`. */
export function element(tag, { data, aria, role, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, data);
  if (role !== undefined) made.setAttribute('role', role);
  for (const [name, value] of Object.entries(aria ?? {})) made.setAttribute(`aria-${name}`, value);
  made.append(...cleaned(children));
  return made;
}

export function svg(tag, attributes, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const units = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** A duration below which seconds are shown beside minutes, and an end stands out, in ms. */
const soonMs = 5 * 60_000;

/** `3 d 4 h`, `2 h 5 min`, `29 min`, `4 min 10 s`, `9 s`. */
export function duration(ms) {
  const at = units.findIndex(([unitMs]) => ms >= unitMs);
  if (at < 0) return '0 s';
  const [unitMs, unit] = units[at];
  const first = `${Math.floor(ms / unitMs)} ${unit}`;
  const [nextMs, next] = units[at + 1] ?? [];
  const rest = Math.floor((ms % unitMs) / nextMs);
  // Seconds beside many minutes only distract.
  return rest > 0 && (next !== 's' || ms < soonMs) ? `${first} ${rest} ${next}` : first;
}

/** How long a run took: with tenths of a second while that says something. */
export const runDurationText = (ms) =>
  ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : duration(ms);

export function bytesText(bytes) {
  const at = bytes < 1_000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1_000 ** at;
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${['B', 'kB', 'MB', 'GB', 'TB'][at]}`;
}

export const countText = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** What the server's clock is ahead of ours, in ms. */
let clockAheadMs = 0;
export const setNow = (serverMs) => {
  clockAheadMs = serverMs - Date.now();
};
export const now = () => Date.now() + clockAheadMs;

/** A time that continues by itself: `since` then, `until` then, or `ago`. */
export function clock(kind, atMs) {
  const made = element('time', {
    dateTime: new Date(atMs).toISOString(),
    title: new Date(atMs).toLocaleString(),
    data: { kind, at: String(atMs) },
  });
  tick(made);
  return made;
}

function tick(time) {
  const { kind, at } = time.dataset;
  const ms = now() - Number(at);
  let text = duration(ms);
  if (kind === 'ago') text = ms < 1_000 ? 'now' : `${duration(ms).split(' ', 2).join(' ')} ago`;
  if (kind === 'until') {
    text = ms < 0 ? `in ${duration(-ms)}` : 'now';
    time.classList.toggle('soon', -ms < soonMs);
  }
  if (time.textContent !== text) time.textContent = text;
}

setInterval(() => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll('time')) tick(time);
}, 1_000);

/** Says something that has happened, for a while; read out too. */
export function announce(text, isBad = false) {
  const box = byId('said');
  const line = element('p', { className: isBad ? 'bad' : '' }, text);
  box.append(line);
  setTimeout(() => line.remove(), isBad ? 15_000 : 6_000);
}

/** Sends a form; says why it failed, and gives whether it did not. */
export async function post(path, fields) {
  try {
    const reply = await fetch(path, { method: 'POST', body: new URLSearchParams(fields) });
    if (reply.ok) return true;
    announce((await reply.text()).trim(), true);
  } catch {
    announce('The coordinator cannot be reached. Try again.', true);
  }
  return false;
}

/** A button that copies the text. */
export function copyButton(text, label) {
  const button = element('button', { type: 'button', className: 'copy', aria: { label } }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      announce('Copied.');
    } catch {
      announce('This browser did not let the page copy. Select the text instead.', true);
    }
  });
  return button;
}

/** Follows events at the address: calls `show` with each state, and says at the top whether it is live. `onNone`: there is nothing. */
export function listen(path, show, onNone) {
  const link = byId('link');
  const say = (state, text) => {
    if (link.dataset.state === state) return;
    link.dataset.state = state;
    link.textContent = text;
  };
  whileVisible(() => {
    const events = new EventSource(path);
    events.addEventListener('state', ({ data }) => {
      const state = JSON.parse(data);
      setNow(state.now);
      byId('who').textContent = clean(state.isAdmin ? `${state.user} (admin)` : state.user);
      show(state);
      say('live', 'live');
    });
    events.addEventListener('error', async () => {
      say('lost', 'connection lost, trying again');
      if (events.readyState !== EventSource.CLOSED) return;
      const reply = await fetch(path).catch(() => undefined);
      await reply?.body?.cancel();
      if (reply?.status === 404 && onNone !== undefined) {
        say('none', 'nothing to show');
        return onNone();
      }
      // It may be that one has to sign in again, which loading the page tells.
      setTimeout(() => location.reload(), 2_000);
    });
    return events;
  });
}

/** How long a page that nobody sees continues, in ms. */
const unseenMs = 5_000;

/**
 * Opens what `open` gives, closes it when nobody sees the page, and opens it again: a browser has few connections to one
 * server, for all its tabs. Gives the function that ends it.
 */
export function whileVisible(open) {
  let current = open();
  let timer;
  const change = () => {
    clearTimeout(timer);
    if (!document.hidden) current ??= open();
    else {
      timer = setTimeout(() => {
        current?.close();
        current = undefined;
      }, unseenMs);
    }
  };
  document.addEventListener('visibilitychange', change);
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', change);
    current?.close();
  };
}

/**
 * Asks before something that others notice; resolves with whether to do it. `field`, the label of a text, makes it resolve
 * with that, or with undefined.
 */
export function confirmed({ title, text, action, field }) {
  const yes = element('button', { value: 'yes', className: 'danger' }, action);
  const no = element('button', { type: 'button', autofocus: field === undefined }, 'Cancel');
  const input = field && element('input', { id: 'asked', maxLength: 500, autofocus: true });
  const dialog = element(
    'dialog',
    { aria: { labelledby: 'ask' } },
    element(
      'form',
      { method: 'dialog' },
      element('h2', { id: 'ask' }, title),
      element('p', {}, text),
      input && element('p', {}, element('label', { htmlFor: 'asked' }, field), ' ', input),
      element('div', { className: 'buttons' }, no, yes),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  no.addEventListener('click', () => dialog.close(''));
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      const isYes = dialog.returnValue === 'yes';
      if (input === undefined) resolve(isYes);
      else resolve(isYes ? input.value.trim() : undefined);
    });
  });
}
