// What was done to a buildlet: files that were sent and fetched, and its history.
import { byId, bytesText, clock, element } from './dom.js';

export function showFiles(files) {
  if (files.length === 0) {
    byId('files').replaceChildren(
      element('p', { className: 'empty' }, 'No files were sent or fetched.'),
    );
    return;
  }
  byId('files').replaceChildren(
    element(
      'ul',
      { className: 'files' },
      ...files
        .toReversed()
        .map(({ direction, path, bytes, atMs, outcome }) =>
          element(
            'li',
            {},
            element('span', {}, direction === 'put' ? 'sent there' : 'fetched'),
            element('code', {}, path || 'the work directory'),
            element(
              'span',
              { className: 'soft' },
              bytesText(bytes ?? 0),
              ' · ',
              clock('ago', atMs),
              outcome && outcome !== 'status 200' && ` · ${outcome}`,
            ),
          ),
        ),
    ),
  );
}

const eventTexts = {
  create: () => 'created',
  extend: ({ expires }) => ['has time until ', expires ? new Date(expires).toLocaleString() : ''],
  cancel: ({ run }) => (run ? 'a run was ended' : 'its making was stopped'),
  died: ({ reason }) => `died: ${reason ?? ''}`,
  destroy: ({ why }) => `ended: ${why ?? ''}`,
};

export function showEvents(events) {
  byId('events').replaceChildren(
    ...events
      .toReversed()
      .map((row) =>
        element(
          'li',
          {},
          ...[eventTexts[row.event]?.(row) ?? row.event].flat(),
          element(
            'span',
            { className: 'soft' },
            row.by && row.event !== 'died' && ` by ${row.by}`,
            ' · ',
            clock('ago', row.atMs),
          ),
        ),
      ),
  );
  byId('events').parentElement.hidden = events.length === 0;
}
