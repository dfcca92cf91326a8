// What gomote run and gomote once do where a command has failed.
import { describe, expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { workshop } from '../helpers/programs.ts';
import { hasTmux, openScreen } from '../helpers/tmux.ts';

describe('--on-failure keep', () => {
  it('of a run prints how to continue, and only when it failed', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const run = (...words: string[]) => cli(['run', '--on-failure', 'keep', name, ...words]);
    expect(await run('true')).toMatchObject({ code: 0, stderr: '' });
    expect(await run('sh', '-c', 'exit 3')).toMatchObject({
      code: 3,
      stderr: [
        `gomote: ${name} is as the command has left it`,
        `# look: gomote shell ${name}`,
        `# again: gomote run ${name} sh -c 'exit 3'`,
        `# end it: gomote destroy ${name}`,
        '',
      ].join('\n'),
    });
  });

  it('of once keeps the machine', async () => {
    const cli = testCli();
    const once = (...words: string[]) =>
      cli(['once', '--no-push', '--on-failure', 'keep', ...words]);
    expect(await once('local', '--', 'true')).toMatchObject({ code: 0 });
    expect((await cli(['list'])).stdout).toBe('');
    const result = await once('local', '--', 'false');
    expect(result.code).toBe(1);
    const kept = /kept (\S+)/.exec(result.stderr)?.[1];
    expect((await cli(['list'])).stdout).toContain(kept);
  });

  it.each([
    [['run', '--on-failure', 'nothing', 'x', 'true'], 'is neither shell nor keep'],
    [['run', '--on-failure', 'keep', '--detach', 'x', 'true'], 'contradict'],
    [['once', '--on-failure', 'keep', '--keep', 'never', 'local', '--', 'true'], 'contradict'],
    [['once', '--on-failure', 'shell', '--count', '2', 'local', '--', 'true'], 'contradict'],
  ])('%j is refused', async (words, why) => {
    const result = await testCli()(words);
    expect(result.code).toBe(125);
    expect(result.stderr).toContain(why);
  });
});

describe('--on-failure shell', () => {
  it('opens no shell without a terminal, and keeps the status', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const result = await cli(['run', '--on-failure', 'shell', name, 'sh', '-c', 'exit 4']);
    expect(result).toMatchObject({
      code: 4,
      stderr: 'gomote: there is no terminal here to open a shell on\n',
    });
  });

  it.skipIf(!hasTmux).each(['run', 'once'])(
    'of %s opens one in the directory and the environment of the command',
    async (command) => {
      const shop = workshop();
      const screen = openScreen(shop);
      const words =
        command === 'run'
          ? ['run', '--on-failure', 'shell', '-e', 'MARK=yes', await shop.create()]
          : ['once', '--no-push', '--on-failure', 'shell', '-e', 'MARK=yes', 'local', '--'];
      const script = 'touch here; stty -echo 2>/dev/null; exit 5';
      screen.enter(`gomote ${words.join(' ')} sh -c '${script}'; echo status $?`);
      await screen.shows('the command failed');
      screen.enter('echo "<$MARK $(ls)>"');
      await screen.shows('<yes here>');
      screen.enter('exit');
      await screen.shows('status 5');
    },
  );
});
