// What is said after the first create at a terminal.
import { expect, it } from 'vitest';
import { workshop } from '../helpers/programs.ts';
import { hasTmux, openScreen } from '../helpers/tmux.ts';

it.skipIf(!hasTmux)(
  'the first create at a terminal prints what to do next, and no other create does',
  async () => {
    const shop = workshop();
    // Where nobody looks, nothing is said, and nothing counts as the first.
    const quiet = await shop.gomote('create', 'local');
    expect(quiet.stderr).toBe('');
    const screen = openScreen(shop);
    screen.resize(120, 40);
    screen.enter("gomote create local; echo 'first'=$?");
    await screen.shows(/^first=0$/m);
    expect(screen.text()).toContain('gomote: next, gomote push me-local-1');
    screen.enter('clear');
    screen.enter("gomote create local; echo 'second'=$?");
    await screen.shows(/^second=0$/m);
    expect(screen.text()).not.toContain('gomote: next');
  },
);
