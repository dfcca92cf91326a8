// The part of a mode from another machine that is used here: permissions that the user's own files may have, and nothing that makes a program
// run as somebody else.

/** `umask` as `process.umask()` gives it. */
export const ownMode = (mode: number, umask: number = process.umask()): number =>
  mode & 0o777 & ~umask;
