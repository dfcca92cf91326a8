// An address of this machine whose ports can be listened on again: connections that others make from here take ports of
// 127.0.0.1, and so may just then have the one that was given up.

/** Where loopback is a whole network. */
export const ownLoopback = process.platform === 'linux' ? '127.9.0.1' : '127.0.0.1';
