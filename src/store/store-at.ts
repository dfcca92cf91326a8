// The store of another process of this user on this machine, for reading alone.
import { basename, dirname } from 'node:path';
import { fileIdentity } from '../files/file-identity.ts';
import { hasPrivateDirectory } from '../files/private-directory.ts';
import type { StoreAt } from '../protocol/stored.ts';
import { ContentStore } from './content-store.ts';

/** The last one that was opened: a machine has one user at a time. */
let opened: { readonly at: StoreAt; readonly store: ContentStore } | undefined;

/** The store, with what is in it now; undefined when it is not to be read here, or is another directory. */
export function openStoreAt(at: StoreAt): ContentStore | undefined {
  try {
    if (!hasPrivateDirectory(at.path, 'the content store')) return undefined;
    if (fileIdentity(at.path) !== at.identity) return undefined;
    if (opened?.at.path !== at.path || opened.at.identity !== at.identity) {
      opened?.store.close();
      // It takes nothing, for it has no room.
      const options = { root: dirname(at.path), room: basename(at.path), limitBytes: 0 };
      opened = { at, store: new ContentStore(options) };
    } else opened.store.refresh();
    return opened.store;
  } catch {
    return undefined;
  }
}
