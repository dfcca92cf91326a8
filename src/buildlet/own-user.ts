// Gives up being root once the address is taken.
import { createServer } from 'node:net';
import { type ListenAddress, listen } from '../http/server/listen.ts';
import { usage } from './option-values.ts';

/** Listens as root, then becomes the user, with no other groups. Nothing in this process can be root again. */
export async function becomeUser(uid: number, address: ListenAddress): Promise<ListenAddress> {
  // As one of HTTP has it.
  const bound = createServer({ allowHalfOpen: true, noDelay: true });
  await listen(bound, address);
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  return address.kind === 'unix' ? { ...address, bound } : address;
}

export const userFlags = { user: { type: 'string' } } as const;

export const userHelp = `  --user UID                    started as root: listen on a unix socket, then
                                become the user UID for good; the work
                                directory and TMPDIR must be that user's
`;

/**
 * Reads --user. The socket is made by root, so that nothing that runs as the user can put another in its place.
 */
export function readUser(
  text: string | undefined,
  address: ListenAddress | undefined,
): number | undefined {
  if (text === undefined) return undefined;
  const uid = /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : 0;
  if (uid === 0 || uid >= 2 ** 32 - 1) {
    throw usage(`--user "${text}" is not the id of a user`, 'give a number above 0');
  }
  if (address?.kind !== 'unix') throw usage('--user needs --listen unix:PATH', 'give both');
  if (process.getuid?.() === 0) return uid;
  throw usage('--user is for a buildlet that root starts', 'leave it out');
}
