// How a buildlet behind NAT offers itself to a coordinator: it dials, upgrades the connection, and is called over it.

/** The path for such connections: `GET` with `Connection: Upgrade`. */
export const reversePath = '/buildlet/reverse';

/** The protocol upgraded to: frames (frames.ts); the coordinator opens streams, each a connection to the buildlet. */
export const reverseUpgrade = 'gomote-reverse';

/** The headers of the upgrade, in addition to `Authorization: Bearer <key>`. */
export const reverseHeaders = {
  hostType: 'Gomote-Host-Type',
  /** The machine's permanent name. */
  machine: 'Gomote-Machine',
  /** Changes with every start of the buildlet: the machine's state outlives a connection, but not the process. */
  boot: 'Gomote-Boot',
  /** Labels that the machine gives itself, as JSON in ASCII. Absent: none. */
  labels: 'Gomote-Labels',
} as const;

/** A valid machine name. */
export const machineNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What identifies one start of a buildlet. */
export const bootPattern = /^[0-9a-f]{16}$/;
