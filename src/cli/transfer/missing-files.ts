// Files that a command had to make, and did not.
import { GomoteError } from '../../errors.ts';

/** The patterns that matched nothing; all other files have been fetched. */
export class MissingFiles extends GomoteError {
  constructor(name: string, patterns: readonly string[]) {
    super(
      'ERR_NO_SUCH_FILE',
      `${name}: nothing matches ${patterns.map((one) => `"${one}"`).join(', ')}`,
      {
        hint: 'it was required with --require',
      },
    );
  }
}
