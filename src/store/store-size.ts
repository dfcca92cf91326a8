// How large a store may be.

/** The minimum: a smaller store would evict everything at once, and is none. */
export const minStoreBytes = 1 << 20;

/** Unless the configuration says otherwise. */
export const defaultStoreBytes = 5 * 1024 ** 3;
