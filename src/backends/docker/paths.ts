// The paths of a buildlet in a container: all in one directory, in two volumes.

export const directory = '/opt/gomote';

/** The programs: a volume shared read-only by all containers of an engine. */
export const payloadDirectory = `${directory}/payload`;

/** A link to the payload, created when that is complete. */
export const currentPayload = `${payloadDirectory}/current`;

export const dialProgram = `${currentPayload}/bin/dial`;

/** What the buildlet and its commands write: a volume that is removed with the container. It belongs to root. */
export const volumeDirectory = `${directory}/run`;

/** Caches: a volume each, by their names. */
export const cachesDirectory = `${directory}/caches`;

/** The contents of the owner's pushes: a volume that outlives the container. */
export const storeDirectory = `${directory}/store`;

/** The name of the directory in a volume that other users can write. */
export const openName = 'open';
