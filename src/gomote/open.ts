// The entry point of the library.
import type { Gomote } from './gomote.ts';
import { type OpenOptions, settingsOf } from './options.ts';

/**
 * Opens the configuration of the command line, which is read when it is first needed. It makes
 * no connections yet.
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
