// Names in a work directory that are ours: they are no part of any tree.

/** At the top of the work directory: what was pushed, and how it was. Neither listed nor packed with what lies beside it. */
export const stateDirectory = '.gomote';

/** Whether something below a tree is the state of the tree at the work directory's top, or not whole yet. */
export const isReserved = (path: string): boolean =>
  path.includes(stateDirectory) && reserved.test(path);

const reserved = /^\.gomote(?:$|\/)|(?:^|\/)\.gomote-(?:push-)?[0-9a-f]{8}/;
