// The documentation, held to the code. docs/cli.md is made from the commands themselves: `npm run docs` writes it.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { helpText } from '../../src/buildlet/options.ts';
import { Context } from '../../src/cli/context.ts';
import { examplesOf } from '../../src/cli/examples.ts';
import { processInterrupts } from '../../src/cli/interrupts.ts';
import { fullProgram } from '../../src/cli/program.ts';
import { helpText as coordinatorHelp } from '../../src/coordinator/options.ts';
import { errorCodes } from '../../src/errors.ts';
import { Collector } from '../helpers/collect.ts';

function helpOf(command: Command): string {
  return command
    .configureHelp({ ...command.configureHelp(), helpWidth: 100, showGlobalOptions: false })
    .helpInformation()
    .trim();
}

/** What the help has after that. */
function helpWithExamples(command: Command): string {
  return `${helpOf(command)}\n${examplesOf(command.name())}`;
}

it('docs/cli.md says what the commands’ own help says', async () => {
  const streams = { stdin: Readable.from([]), stdout: new Collector(), stderr: new Collector() };
  const context = new Context({ ...streams, environment: {} }, processInterrupts());
  const root = await fullProgram(context);
  const sections = root.commands
    .filter((command) => command.name() !== 'help')
    .map((command) => {
      return `## gomote ${command.name()}\n\n\`\`\`\n${helpWithExamples(command)}\n\`\`\`\n`;
    });
  const text = [
    '# The command line',
    '',
    'This page is made from the programs’ own help by `npm run docs`. Exit codes and messages are in',
    '[errors.md](errors.md), the configuration file in [configuration.md](configuration.md).',
    '',
    'A buildlet is named as `gomote list` prints it: `NAME` in the chosen backend, `BACKEND/NAME` in another, or',
    '`TYPE@HOST[:PORT]` for one reached directly. Long options may be written with one dash, as Go’s gomote has',
    'them: `-dir=x`, `-system`. Global options go before the command or among its own; a variable `GOMOTE_USER`,',
    '`GOMOTE_BACKEND`, `GOMOTE_STAGING`, `GOMOTE_PASSWORD_FILE`, `GOMOTE_VERBOSE`, `GOMOTE_QUIET` or',
    '`GOMOTE_NO_COLOR` stands in for the option of its name.',
    '',
    'The argument `[name]` may be left out, and may be a list `A,B,C`: [which-buildlet.md](which-buildlet.md).',
    '',
    'Durations are numbers with the units `ms`, `s`, `m` and `h`: `90s`, `1h30m`; no days. Listings are lines of',
    'columns with tabs between them; on a terminal they are aligned, with a header. `list` has name, type and state:',
    '`expires in 29m50s` (unless it is used), `does not expire`, or why it is dead. `ps` has the id of a run, its state',
    '(`running`; `detached`: running, whoever reads; `exit 3`; `SIGKILL`; then in brackets why it was ended), how long it',
    'took or has taken, and the command. `--json` has the same as objects; times in it are RFC 3339, `seconds` and',
    '`durationMs` are numbers, and what is not known is absent or `null`.',
    '',
    '```',
    helpOf(root),
    '```',
    '',
    ...sections,
    '## buildlet',
    '',
    '```',
    helpText.trim(),
    '```',
    '',
  ].join('\n');
  await expect(text).toMatchFileSnapshot('../../docs/cli.md');
});

const root = join(import.meta.dirname, '../..');
const decisions = readdirSync(join(root, 'docs/decisions'));
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...decisions.map((name) => `docs/decisions/${name}`),
];
const read = (page: string): string => readFileSync(join(root, page), 'utf8');

/** What GitHub makes of headings. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-'),
  );

it('every link of a page leads to a file and a heading that are there', () => {
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].flatMap(
      ([link, path = '', anchor]) => {
        const target = path === '' ? page : join(dirname(page), path);
        try {
          if (anchor === undefined) readdirOrRead(target);
          else if (!anchorsOf(read(target)).includes(anchor)) return [`${page}: ${link}`];
          return [];
        } catch {
          return [`${page}: ${link}`];
        }
      },
    ),
  );
  expect(broken).toEqual([]);
});

function readdirOrRead(target: string): void {
  if (target.endsWith('/')) readdirSync(join(root, target));
  else read(target);
}

it('every page and every decision is in the table of contents, and numbers are unique', () => {
  const contents = read('docs/README.md');
  const missing = pages
    .filter((page) => page.startsWith('docs/') && !/README|CODE_OF_CONDUCT/.test(page))
    .filter((page) => !contents.includes(`(${page.slice('docs/'.length)})`));
  expect(missing).toEqual([]);
  expect(new Set(decisions.map((name) => name.slice(0, 3))).size).toBe(decisions.length);
});

it('every decision has the same form, and its title in the table of contents', () => {
  const contents = read('docs/README.md');
  for (const name of decisions) {
    const text = read(`docs/decisions/${name}`);
    const [, number, title] = /^# (\d{3}): (.+)\n/.exec(text) ?? [];
    expect(name.slice(0, 3)).toBe(number);
    expect(contents).toContain(`| [${number}](decisions/${name}) | ${title} |`);
    const headings = [...text.matchAll(/^## (.+)$/gm)].map((match) => match[1]);
    const form = ['Context', 'Decision', 'Consequences'];
    expect(headings, name).toEqual(headings.length > 3 ? [...form, 'Considered'] : form);
  }
});

it('errors.md has every code of the library with a meaning, and no other', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `(ERR_\w+)` \| (.+) \|$/gm)];
  expect(rows.map(([, code]) => code).sort()).toEqual(Object.keys(errorCodes).sort());
  for (const [row, , meaning = ''] of rows) {
    const [what, cure] = meaning.split(' | ');
    expect(what?.length, row).toBeGreaterThan(15);
    expect(cure?.length, row).toBeGreaterThan(5);
  }
});

it('no help has a line of more than 80 columns on a terminal of 80', async () => {
  const streams = { stdin: Readable.from([]), stdout: new Collector(), stderr: new Collector() };
  const context = new Context({ ...streams, environment: {} }, processInterrupts());
  const root = await fullProgram(context);
  const helps = [root, ...root.commands].map((command) =>
    [command.configureHelp({ helpWidth: 80 }).helpInformation(), examplesOf(command.name())].join(
      '\n',
    ),
  );
  const lines = [...helps, helpText, coordinatorHelp].join('\n').split('\n');
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
});

it('the help of every command has two or three examples, whose options it takes', async () => {
  const streams = { stdin: Readable.from([]), stdout: new Collector(), stderr: new Collector() };
  const context = new Context({ ...streams, environment: {} }, processInterrupts());
  const root = await fullProgram(context);
  for (const command of root.commands) {
    const name = command.name();
    const lines = examplesOf(name).split('\n').slice(2);
    expect([2, 3], name).toContain(lines.length);
    const known = new Set(command.options.flatMap(({ long, short }) => [long, short]));
    for (const line of lines) {
      const own = new RegExp(`gomote (?:--version|${name}\\b([^|#]*))`).exec(line);
      expect(own, line).not.toBeNull();
      // What follows the buildlet's name may be a command of its own.
      const words = (own?.[1] ?? '').split(/ NAME\b/)[0]?.split(' ') ?? [];
      const options = words.filter((word) => /^--?[a-z]/.test(word));
      expect(
        options.filter((word) => !known.has(word)),
        line,
      ).toEqual([]);
    }
  }
});
