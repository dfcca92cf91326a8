// Each cell of the table of machines in docs/SECURITY.md has tests that try it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from './helpers/programs.ts';

const columns = ['read', 'write', 'reach', 'leave behind'] as const;

/** A file below test/, and the titles of its tests. */
type Tests = readonly [file: string, ...titles: string[]];

const unconfined = 'end-to-end/unconfined.test.ts';
const walls = 'buildlet/sandbox/walls.test.ts';
const coordinator = 'coordinator/confinement.test.ts';
const ownUsers = 'coordinator/own-users.test.ts';
const container = 'docker/buildlet.test.ts';
const image = 'docker/pool-images.test.ts';
const pod = 'kubernetes/buildlet.test.ts';
const virtualMachine = 'backends/gce/walls.test.ts';

const all: Tests = [
  unconfined,
  'reads and writes all that its user can, also outside of its work directory',
];
const reached: Tests = [
  unconfined,
  "reaches its user's other processes, and servers on the machine's loopback",
];
const left: Tests = [
  unconfined,
  'leaves behind what hides from its buildlet, and files elsewhere, and nothing else',
];
const onlyTheUsers: Tests = [
  unconfined,
  'a command on an ssh host can do nothing there that its user cannot',
];
const likeTheSandbox: Tests = [
  coordinator,
  'runs commands in a sandbox that shows nothing of the coordinator',
  'runs commands without a sandbox if its section says so',
];

/** By the first cell of a row, then in the order of the columns. */
const cells: Readonly<Record<string, readonly Tests[]>> = {
  '`local`, `isolation = "none"`': [all, all, reached, left],
  '`local`, `isolation = "bubblewrap"`': [
    [
      walls,
      'nothing of the home directory of the user who started it, nor of any other',
      'nothing beside its own work directory: no other buildlet, no password, no log',
      'of the system only what every user can read, also as root',
      'nothing that the kernel shows to root alone',
      'paths that were named for it, which it cannot write',
    ],
    [
      walls,
      'not to %s',
      'to its work directory, its HOME and its own /tmp, which the next command has again',
      'to paths that were named for it',
    ],
    [
      walls,
      'the processes of its buildlet only, and cannot end the buildlet',
      'no network without one: only its own loopback, and nothing of the machine',
    ],
    [walls, 'no process after %s, however well it hides'],
  ],
  'coordinator, `kind = "local"`': [likeTheSandbox, likeTheSandbox, likeTheSandbox, likeTheSandbox],
  'coordinator, `kind = "local"`, `uids`, `isolation = "none"`': [
    [ownUsers, 'cannot read files or end processes of the coordinator or of each other'],
    [ownUsers, 'run as users of their own, and own their files, %s'],
    [ownUsers, 'reach every network, and leave files where every user can write'],
    [
      ownUsers,
      'leave no process and no file behind, however hidden',
      'reach every network, and leave files where every user can write',
    ],
  ],
  '`docker`': [
    [container, 'has only the privileges that builds need'],
    [container, 'writes to volumes that were named, and leaves nothing else'],
    [container, 'has only the privileges that builds need'],
    [container, 'writes to volumes that were named, and leaves nothing else'],
  ],
  '`docker`, with the image of a snapshot': [
    [
      image,
      'begins machines of its host type, for its user and those it is shared with, also after a restart',
    ],
    [
      image,
      'begins machines of its host type, for its user and those it is shared with, also after a restart',
    ],
    [image, 'leads no mount elsewhere, whatever links its owner has put into it'],
    [container, 'writes to volumes that were named, and leaves nothing else'],
  ],
  '`kubernetes`': [
    [pod, 'gives its commands no account of the cluster and few rights over the kernel'],
    [pod, 'is made, runs commands, gives its files and is gone'],
    [pod, 'gives its commands no account of the cluster and few rights over the kernel'],
    [pod, 'is made, runs commands, gives its files and is gone'],
  ],
  '`gce`': [
    [virtualMachine, 'reads and writes the machine, as its root'],
    [virtualMachine, 'reads and writes the machine, as its root'],
    [
      virtualMachine,
      'reaches the metadata server, which tells the password, and the network',
      'has no account of the project, and no disk but its own',
    ],
    [virtualMachine, 'leaves nothing: the machine goes with its processes and its disk'],
  ],
  '`static`, `reverse`': [all, all, reached, left],
  '`ssh`': [all, onlyTheUsers, reached, left],
};

/** The cells of the table's rows. */
const rows = readFileSync(join(projectRoot, 'docs/SECURITY.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.slice(2, -2).split(' | '));
const start = rows.findIndex(([first]) => first === 'machine');
const [heading = [], ...table] = rows.slice(start);

describe('the table of machines in SECURITY.md', () => {
  it('has these columns and rows', () => {
    expect(heading).toEqual(['machine', ...columns]);
    expect(table.map(([machine]) => machine)).toEqual(Object.keys(cells));
    for (const row of table) expect(row).toHaveLength(heading.length);
  });

  it.each(
    Object.entries(cells).flatMap(([machine, row]) =>
      columns.map((column, i) => ({ machine, column, tests: row[i] })),
    ),
  )('has a test of what commands $column on $machine', ({ tests }) => {
    const [file = '', ...titles] = tests ?? [];
    const text = readFileSync(join(projectRoot, 'test', file), 'utf8');
    expect(titles).not.toEqual([]);
    // As it is written there, in quotes.
    for (const title of titles) expect(text).toMatch(quoted(title));
  });
});

function quoted(title: string): RegExp {
  const escaped = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(['"\`])${escaped}\\1`);
}
