// How files are opened whose names others may give to something else meanwhile.
import { constants } from 'node:fs';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Follows no link, and does not wait for the writer of a FIFO. */
export const readFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

/** For a file that must not exist. */
export const createFlags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW;
