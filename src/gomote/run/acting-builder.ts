// Finds the builder type whose environment a command gets.
import type { BuilderType } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import type { Backends } from '../backends.ts';

/** The builder type whose environment the command gets; only one of the same host type can stand in. */
export async function actingBuilder(
  own: BuilderType | undefined,
  wanted: string | undefined,
  name: string,
  backends: Backends,
): Promise<BuilderType | undefined> {
  if (wanted === undefined) return own;
  const { catalogue } = await backends.config();
  const other = catalogue.builders.find((builder) => builder.name === wanted);
  if (other !== undefined && (own === undefined || own.hostType === other.hostType)) return other;
  throw new GomoteError(
    other === undefined ? 'ERR_UNKNOWN_TYPE' : 'ERR_USAGE',
    other === undefined
      ? `unknown builder type "${wanted}"`
      : `--builderenv ${wanted} has host type ${other.hostType}, but ${name} has ${own?.hostType}`,
    { hint: 'see gomote types' },
  );
}
