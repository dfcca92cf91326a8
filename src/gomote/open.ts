// The library's porch: what a program begins with.
import type { Gomote } from './gomote.ts';
import { type OpenOptions, settingsOf } from './options.ts';

/**
 * Reads the configuration of the command line, when it is first needed, and gives what all else is made of. Nothing is
 * connected yet.
 *
 * @example
 * await using gomote = await open();
 * await using buildlet = await gomote.create('linux-amd64');
 * await buildlet.push('.');
 * const { ok, stdout } = await buildlet.run('make', ['test']);
 */
export async function open(options: OpenOptions = {}): Promise<Gomote> {
  const [{ Backends }, { Gomote }] = await Promise.all([
    import('./backends.ts'),
    import('./gomote.ts'),
  ]);
  return new Gomote(new Backends(settingsOf(options)));
}
