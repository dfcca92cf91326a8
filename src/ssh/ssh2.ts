// The wire of SSH, from the package ssh2. A file of its own in dist/: only what speaks SSH loads it.
//
// Its own server has no half-open channels, mixes up output and errors that wait for the client, and opens no channel to an
// agent: so its protocol is used, and connection.ts and channel.ts are what is above that.
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
/** Resolves when it can be used. */
export const ready = crypto.init;
