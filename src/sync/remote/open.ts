// Opens a directory of a buildlet: by the extension for trees where it is there, else by the base protocol.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { isStatus } from '../../errors.ts';
import type { RemoteTree, RemoteTreeOptions } from './remote-tree.ts';

/** Does `work` with the directory: by the base protocol if the buildlet answers that it has no extension. */
export async function withRemoteTree<T>(
  client: BuildletClient,
  options: RemoteTreeOptions,
  work: (tree: RemoteTree) => Promise<T>,
): Promise<T> {
  const { ExtensionTree } = await import('./extension-tree.ts');
  try {
    return await work(new ExtensionTree(client, options));
  } catch (error) {
    if (!isStatus(error, 404)) throw error;
  }
  const { BaseTree } = await import('./base-tree.ts');
  return await work(new BaseTree(client, options));
}
