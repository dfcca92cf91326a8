// How a buildlet behind NAT offers itself to a coordinator: it dials, upgrades the connection, and is called over it.

/** Where a coordinator takes such connections: `GET` with `Connection: Upgrade`. */
export const reversePath = '/buildlet/reverse';

/** The protocol upgraded to: frames (frames.ts); the coordinator opens streams, each a connection to the buildlet. */
export const reverseUpgrade = 'gomote-reverse';

/** The headers of the upgrade, beside `Authorization: Bearer <key>`. */
export const reverseHeaders = {
  hostType: 'Gomote-Host-Type',
  /** The machine's name, the same forever. */
  machine: 'Gomote-Machine',
  /** Differs with every start of the buildlet: what is on the machine outlives a connection, but not the process. */
  boot: 'Gomote-Boot',
  /** Labels that the machine gives itself, as JSON in ASCII. Absent: none. */
  labels: 'Gomote-Labels',
} as const;

/** What a machine may be called. */
export const machineNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What identifies one start of a buildlet. */
export const bootPattern = /^[0-9a-f]{16}$/;
