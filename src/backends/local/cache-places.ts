// Where a cache of this machine can be.
import type { LocalMachine } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import type { Cache } from '../../protocol/cache.ts';

/** Where the sandbox has something of its own. */
const ownPlaces = ['/proc', '/dev', '/sys', '/run/gomote', '/tmp', '/var/tmp', '/home/build'];

/** Without these no program runs. */
const neededPlaces = ['/bin', '/etc', '/lib', '/lib64', '/sbin', '/usr'];

/** Why the cache cannot be there in a sandbox. */
function whyNotThere(path: string, files: string): string | undefined {
  const isBelow = (one: string, top: string) => `${one}/`.startsWith(`${top}/`);
  if (ownPlaces.some((own) => isBelow(path, own))) return 'belongs to the sandbox';
  if (neededPlaces.includes(path)) return 'has what every program needs';
  const [hidden] = [...ownPlaces, files].filter((own) => isBelow(own, path));
  return hidden === undefined ? undefined : `would hide ${hidden}`;
}

/** Throws ERR_USAGE for a cache that cannot be where it is to be. */
export function checkPlaces(
  caches: readonly Cache[],
  { isolation }: LocalMachine,
  files: string,
): void {
  for (const { name, path } of caches) {
    const isAbsolute = path.startsWith('/');
    if (isolation === 'bubblewrap') {
      const why = whyNotThere(path, files);
      if (why === undefined) continue;
      throw new GomoteError('ERR_USAGE', `cache "${name}": ${path} ${why}`, {
        hint: 'give a path in the work directory, or one that begins with ~/',
      });
    }
    if (!isAbsolute && !path.startsWith('~/')) continue;
    const whose = isAbsolute ? 'a path of the machine' : "in the user's own home directory";
    throw new GomoteError(
      'ERR_USAGE',
      `cache "${name}": ${path} is ${whose}, because the commands are not isolated`,
      { hint: 'give a path in the work directory such as .cache/NAME, or --isolation bubblewrap' },
    );
  }
}
