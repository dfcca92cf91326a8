// Opens a directory of a buildlet: by the extension where it is announced, else by the base protocol.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { StatusError } from '../../errors.ts';
import type { RemoteTree, RemoteTreeOptions } from './remote-tree.ts';
import type { Source, SourceOptions } from './source.ts';

/** Looks at the directory; a buildlet that does not know of trees is asked by the base protocol. */
export async function openRemoteTree(
  client: BuildletClient,
  options: RemoteTreeOptions,
): Promise<RemoteTree> {
  const { FeatureTree } = await import('./feature-tree.ts');
  try {
    return await FeatureTree.open(client, options);
  } catch (error) {
    if (!(error instanceof StatusError && error.status === 404)) throw error;
  }
  const { BaseTree } = await import('./base-tree.ts');
  return new BaseTree(client, options);
}

/** Does `work` with the directory. */
export async function withSource<T>(
  client: BuildletClient,
  options: SourceOptions,
  work: (source: Source) => Promise<T>,
): Promise<T> {
  const { FeatureSource } = await import('./feature-source.ts');
  try {
    return await work(new FeatureSource(client, options));
  } catch (error) {
    if (!(error instanceof StatusError && error.status === 404)) throw error;
  }
  const { BaseSource } = await import('./base-source.ts');
  return await work(new BaseSource(client, options));
}
