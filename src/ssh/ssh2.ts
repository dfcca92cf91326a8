// The SSH protocol, from the package ssh2. A separate file in dist/, loaded only by commands that speak SSH.
//
// The server of ssh2 has no half-open channels, mixes up stdout and stderr that wait for the client, and cannot open a channel to an
// agent. So only its protocol is used, below connection.ts and channel.ts.
import keygen from 'ssh2/lib/keygen.js';
import crypto from 'ssh2/lib/protocol/crypto.js';
import kex from 'ssh2/lib/protocol/kex.js';
import keyParser from 'ssh2/lib/protocol/keyParser.js';

export type { ParsedKey } from 'ssh2/lib/protocol/keyParser.js';
export type { MessageHandlers, OpenedChannel } from 'ssh2/lib/protocol/Protocol.js';
export { default as Protocol } from 'ssh2/lib/protocol/Protocol.js';
export const { KexInit } = kex;
export const { parseKey } = keyParser;
export const { generateKeyPairSync } = keygen;
/** Resolves when the package can be used. */
export const ready = crypto.init;
