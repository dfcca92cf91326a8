// Where a buildlet has its files in a container: all in one directory, in two volumes.

export const directory = '/opt/gomote';

/** The programs; a volume that all containers of an engine read and none can write. */
export const payloadDirectory = `${directory}/payload`;

/** A link to the whole payload: it is made when all of that is there. */
export const currentPayload = `${payloadDirectory}/current`;

export const dialProgram = `${currentPayload}/bin/dial`;

/** What the buildlet and its commands write; a volume that goes with the container. The engine makes it root's. */
export const volumeDirectory = `${directory}/run`;

/** The name of the directory in that volume which other users can write. */
export const openName = 'open';
