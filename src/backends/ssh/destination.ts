// The destination of ssh: parses a host as typed, so that no part of it can become an option.
import { GomoteError } from '../../errors.ts';

export interface Destination {
  /** The form in messages and lists: `user@box`, `box:2222`. */
  readonly text: string;
  readonly user: string | undefined;
  /** A name, an alias of the user's ssh configuration, or an address without brackets. */
  readonly host: string;
  readonly port: number | undefined;
}

/** Characters without a meaning for ssh, its configuration and the user's shell. */
const userPattern = /^[\w.+][\w.+@\\-]*$/;
const hostPattern = /^[A-Za-z0-9_][\w.-]*$/;
const addressPattern = /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[\w.-]+)?$/;

/** Parses `[user@]host`, `[user@]host:port`, `[user@][address]:port` or `ssh://…`; undefined for anything else. */
export function readDestination(given: string): Destination | undefined {
  const text = given.startsWith('ssh://') ? given.slice('ssh://'.length).replace(/\/$/, '') : given;
  const at = text.lastIndexOf('@');
  const user = at < 0 ? undefined : text.slice(0, at);
  const rest = text.slice(at + 1);
  const [, bracketed, plain, digits] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(rest) ?? [];
  const host = bracketed ?? plain ?? rest;
  const port = digits === undefined ? undefined : Number(digits);
  const isHost =
    plain === undefined ? addressPattern.test(host) : hostPattern.test(host) && host.length <= 255;
  const isUser = user === undefined || (userPattern.test(user) && user.length <= 255);
  const isPort = port === undefined || (port > 0 && port <= 65_535);
  return isHost && isUser && isPort ? { text, user, host, port } : undefined;
}

export function parseDestination(given: string): Destination {
  const destination = readDestination(given);
  if (destination !== undefined) return destination;
  throw new GomoteError('ERR_USAGE', `${JSON.stringify(given)} is not a host`, {
    hint: 'give one as ssh takes it: box, user@box, user@box:2222, user@[2001:db8::1]:22',
  });
}

/** The arguments of ssh for the destination. */
export const destinationArguments = ({ user, host, port }: Destination): string[] => [
  ...(user === undefined ? [] : ['-l', user]),
  ...(port === undefined ? [] : ['-p', String(port)]),
  '--',
  host,
];
