// Connects to a buildlet on a host before the program is loaded: over a network, both take time.
// Why: docs/decisions/043-a-connection-before-the-program.md
const { closeSync, constants: flags, openSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

/** The number of arguments among which the name of a buildlet is looked for. */
const maxWords = 8;

/**
 * Connects to the socket that ssh forwards to the buildlet in the arguments. Gives `{ path, socket }`, or undefined if
 * there is none. Nothing is sent: the program takes the connection if it needs one to the same path.
 */
module.exports = function connectEarly(args) {
  const { HOME, XDG_CACHE_HOME } = process.env;
  const cache = XDG_CACHE_HOME || (HOME && join(HOME, '.cache'));
  if (!cache) return undefined;
  // Written by src/backends/ssh/connections.ts.
  const directory = join(cache, 'gomote', 'ssh-buildlets');
  for (const word of args.slice(0, maxWords)) {
    const path = word.includes('/') ? forwardedSocket(directory, word) : undefined;
    if (path !== undefined) return { path, socket: connect(path) };
  }
  return undefined;
};

function forwardedSocket(directory, name) {
  try {
    const file = join(directory, encodeURIComponent(name));
    const fd = openSync(file, flags.O_RDONLY | flags.O_NOFOLLOW | flags.O_NONBLOCK);
    try {
      const { forwarded } = JSON.parse(readFileSync(fd, 'utf8'));
      return typeof forwarded === 'string' && forwarded !== '' ? forwarded : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

function connect(path) {
  const socket = require('node:net').connect({ path });
  // The program connects again, and reports what is wrong.
  socket.on('error', () => undefined);
  return socket.unref();
}
