// `/hold`: a buildlet ends soon after the client that holds it has disconnected.

/** The longest that a buildlet outlives the client that holds it, in ms. */
export const longestGraceMs = 24 * 3_600_000;

/** The parameters of a request. */
export const holdParameters = { graceMs: 'graceMs', release: 'release' } as const;
