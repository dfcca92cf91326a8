// Usage errors, in one line each.
import type { CommanderError } from 'commander';
import { nearest } from '../did-you-mean.ts';
import { GomoteError } from '../errors.ts';

const otherNames = new Map(
  Object.entries({
    exec: 'run',
    copy: 'cp',
    scp: 'cp',
    rsync: 'push or pull',
    sync: 'push or pull',
    upload: 'cp, put or push',
    download: 'cp, get or pull',
    delete: 'destroy or rm',
    remove: 'destroy or rm',
    stop: 'destroy or kill',
    start: 'create or run',
    new: 'create',
    log: 'logs',
    sh: 'shell',
  }),
);

export function unknownCommand(name: string, commands: readonly string[]): GomoteError {
  const meant = otherNames.get(name) ?? nearest(name, commands);
  const question = meant === undefined ? '' : ` (Did you mean ${meant}?)`;
  return new GomoteError('ERR_USAGE', `unknown command '${name}'${question}`, {
    hint: 'see gomote -h',
  });
}

/** How commander words a value that is not among the choices of an option or an argument. */
const unallowed =
  /^(?:option '(?:-\w, )?(--[^ ']+)[^']*' argument|command-argument value) '(.*)' is invalid(?: for argument '(.*)')?\. Allowed choices are (.*)$/s;

/**
 * Converts commander's message into one line in our words.
 *
 * @param longOptions The options that the command takes, without dashes.
 */
export function usageError(
  error: CommanderError,
  command: string | undefined,
  longOptions: Iterable<string>,
): GomoteError {
  const help = command === undefined ? 'gomote -h' : `gomote ${command} -h`;
  const message = error.message
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '')
    .replace(/\. (?=Expected)/, ': ')
    .replace('Expected', 'expected')
    .replace(
      unallowed,
      (_, option, value, argument, choices) =>
        `${option ?? argument} "${value}" is not one of ${choices}`,
    );
  return new GomoteError(
    'ERR_USAGE',
    error.code === 'commander.help' ? 'no command given' : withSuggestion(message, longOptions),
    { hint: `see ${help}` },
  );
}

/** Suggests an option, with as many dashes as typed. commander knows neither Go's single dash nor global options here. */
function withSuggestion(message: string, longOptions: Iterable<string>): string {
  const [, dashes, typed] = /^unknown option '(--?)([^-=][^=']+)/.exec(message) ?? [];
  const meant = typed === undefined ? undefined : nearest(typed, longOptions);
  return meant === undefined ? message : `${message} (Did you mean ${dashes}${meant}?)`;
}
