// Completion in real shells, of a buildlet that holds files whose names a shell would obey.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../helpers/processes.ts';
import { type Workshop, workshop } from '../helpers/programs.ts';
import { hasTmux, openScreen, type Screen } from '../helpers/tmux.ts';
import { hasTool } from '../helpers/tools.ts';

/** What each shell is started with, and how it reads the script. */
const shells = {
  bash: { start: "PS1='ready> ' bash --norc -i", load: 'source <(gomote completion bash)' },
  zsh: {
    start: "PS1='ready> ' zsh -f -i",
    load: 'autoload -U compinit && compinit -u -D && source <(gomote completion zsh)',
  },
  fish: {
    start: 'fish --no-config',
    load: 'function fish_prompt; echo -n "ready> "; end; gomote completion fish | source',
  },
};

/** Names that mean something to a shell, none with a character that cannot be typed. */
const oddNames = [
  'with space',
  "it's",
  'say "hi"',
  '$(touch pwned)x',
  '`touch pwned`x',
  ';touch pwned;x',
  '&touch pwned&x',
  '|touch pwned',
  '>pwned',
  `$${'{HOME}x'}`,
  '$HOME',
  'bang!!x',
  '!touch',
  '*',
  '?[a-z]x',
  '{a,b}x',
  '~root',
  '=ls',
  '#comment',
  'back\\slash',
  'back\\\\two\\ x',
  '(sub)x',
  '^caret^x',
  'a:b=c,d',
  '%job',
  '-rf',
  '--all',
  'tab  two',
  'größe x',
  "'",
  '"',
  'x\\',
];

/** How many of them are completed on one line. */
const batchSize = 8;

/** A buildlet with each of the names alone in a directory: `d00/…`. */
async function oddBuildlet(shop: Workshop): Promise<{ name: string; work: string }> {
  const name = await shop.create();
  const work = (await shop.gomote('run', name, 'pwd')).stdout.toString().trim();
  oddNames.forEach((odd, i) => {
    mkdirSync(join(work, directoryOf(i)));
    writeFileSync(join(work, directoryOf(i), odd), '');
  });
  return { name, work };
}

const directoryOf = (i: number): string => `d${String(i).padStart(2, '0')}`;

async function startShell(shop: Workshop, shell: keyof typeof shells): Promise<Screen> {
  const screen = openScreen(shop);
  screen.resize(200, 50);
  screen.enter(shells[shell].start);
  if (shell !== 'fish') await screen.shows(/^ready>$/m);
  screen.enter(
    `${shells[shell].load}; echo loaded=$status$?`.replace(shell === 'fish' ? '$?' : '$status', ''),
  );
  await screen.shows(/^loaded=0$/m);
  screen.enter('clear');
  return screen;
}

describe.skipIf(!hasTmux).each(Object.keys(shells) as (keyof typeof shells)[])('%s', (shell) => {
  const hasShell = hasTool(shell);

  it.skipIf(!hasShell)('completes commands, options, names, types and runs', async () => {
    const shop = workshop();
    const name = await shop.create();
    await shop.gomote('run', '--id', 'thatrun', name, 'true');
    const screen = await startShell(shop, shell);
    const completes = async (typed: string, completed: string) => {
      screen.type(typed);
      screen.press('Tab');
      // What is typed next shows whether a space was added.
      screen.type('Z');
      await screen.shows(`ready> ${completed}Z`);
      screen.press('C-u');
    };
    await completes('gomote des', 'gomote destroy ');
    await completes('gomote run --idle', 'gomote run --idle-timeout ');
    await completes('gomote --backend lo', 'gomote --backend local ');
    await completes('gomote create lo', 'gomote create local ');
    await completes('gomote ping me-', `gomote ping ${name} `);
    await completes('gomote push me-', `gomote push ${name} `);
    await completes(`gomote logs ${name} that`, `gomote logs ${name} thatrun `);
    await completes('gomote completion pow', 'gomote completion powershell ');
    writeFileSync(join(shop.directory, 'some file.txt'), '');
    await completes(`gomote put ${name} so`, `gomote put ${name} some\\ file.txt `);
  });

  it.skipIf(!hasShell)(
    'completes each odd name on a buildlet as that name, and runs none',
    async () => {
      const shop = workshop();
      const { name, work } = await oddBuildlet(shop);
      const screen = await startShell(shop, shell);
      const left = () =>
        oddNames.filter((_, i) => readdirSync(join(work, directoryOf(i))).length > 0);
      for (let from = 0; from < oddNames.length; from += batchSize) {
        screen.type(`gomote rm ${name} `);
        for (let i = from; i < Math.min(from + batchSize, oddNames.length); i++) {
          screen.type(`${directoryOf(i)}/`);
          screen.press('Tab');
          screen.type(' ');
        }
        screen.enter(`&& echo 'done'${from}`);
        await screen.shows(new RegExp(`^done${from}$`, 'm'));
        screen.enter('clear');
        expect(left()).toEqual(oddNames.slice(from + batchSize));
      }
      // Inside of quotes that are not closed yet.
      for (const quote of ['"', "'"]) {
        const quoted = [
          "it's x",
          'say "hi"',
          '$(touch pwned)x',
          '`touch pwned`',
          'a  b\\c',
          '$HOME',
        ];
        for (const odd of quoted) {
          writeFileSync(join(work, 'd00', odd), '');
          screen.type(`gomote rm ${name} ${quote}d00/`);
          screen.press('Tab');
          screen.enter('');
          await until(() => readdirSync(join(work, 'd00')).length === 0, 20_000);
        }
      }
      for (const directory of [shop.directory, work]) {
        expect(existsSync(join(directory, 'pwned'))).toBe(false);
      }
    },
  );
});
