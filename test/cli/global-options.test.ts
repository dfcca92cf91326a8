// The options that every command takes: before or after its name, with one dash or two, as Go's flags are written.
import { describe, expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';

/** Each with what it does to the names of new buildlets, or nothing. */
const valued = [
  ['user', 'bob', 'bob-local'],
  ['backend', 'local', 'me-local'],
  ['password-file', '/nosuch', 'me-local'],
] as const;
const switches = ['verbose', 'quiet', 'no-color'];

/** The ways to write an option with a value. */
const spellings = (name: string, value: string): string[][] => [
  [`-${name}`, value],
  [`--${name}`, value],
  [`-${name}=${value}`],
  [`--${name}=${value}`],
];

describe('global options', () => {
  const places = [
    (words: string[]) => [...words, 'create', 'local'],
    (words: string[]) => ['create', ...words, 'local'],
    (words: string[]) => ['create', 'local', ...words],
    (words: string[]) => ['-quiet', ...words, '--no-color', 'create', 'local'],
  ];
  // Every spelling at every place of one option; each of the others once in each spelling and at each place.
  const rows = valued.flatMap(([name, value, made], option) =>
    spellings(name, value).flatMap((words, spelling) =>
      places
        .filter((_, place) => option === 0 || place === (spelling + option) % places.length)
        .map((placed) => ({ argv: placed(words), made })),
    ),
  );
  it.each(rows)('$argv names the command and its options', async ({ argv, made }) => {
    const cli = testCli();
    const { code, stdout, stderr } = await cli(argv);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^${made}-.+\\n$`));
  });

  it.each(
    switches.flatMap((name) => [`-${name}`, `--${name}`, `-${name}=true`]).map((word) => [word]),
  )('%s stands before a command', async (word) => {
    expect(await testCli()([word, 'version'])).toMatchObject({ code: 0, stdout: '0.1.0\n' });
  });

  it.each([
    [['-user']],
    [['--user', 'bob']],
    [['-backend', 'local']],
    [['-user', 'bob', 'nosuch']],
  ])('%j without a command is an error', async (argv) => {
    expect(await testCli()(argv)).toMatchObject({ code: 2 });
  });
});
