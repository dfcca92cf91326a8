// Maps the provider's claims about a person to a user here.
import { GomoteError } from '../../errors.ts';
import { quoted } from '../../printable.ts';
import type { OidcConfig } from './config.ts';

/** The provider's claims about a person. */
export type Claims = Readonly<Record<string, unknown>>;

interface Identity {
  readonly name: string;
  /** The provider's permanent id of the person. */
  readonly subject: string;
  readonly role: 'user' | 'admin';
}

/** Throws ERR_UNAUTHORIZED, with a message for the person, when they may not sign in. */
export function identityOf(claims: Claims, config: OidcConfig): Identity {
  const { issuer, nameClaim, emailDomain, groupsClaim, adminGroups, userGroups } = config;
  const { sub } = claims;
  if (typeof sub !== 'string' || sub === '') throw refused('the provider gives no subject');
  const given = claims[nameClaim];
  if (typeof given !== 'string') throw refused(`the provider gives no ${nameClaim}`);
  // The address may not belong to the person.
  if (nameClaim === 'email' && !['true', 'undefined'].includes(String(claims.email_verified))) {
    throw refused('the provider has not verified your email address');
  }
  const ending = emailDomain === undefined ? '' : `@${emailDomain.toLowerCase()}`;
  const lower = given.toLowerCase();
  const name = ending !== '' && lower.endsWith(ending) ? lower.slice(0, -ending.length) : lower;
  if (!/^[a-z0-9](?:[a-z0-9_.-]{0,38}[a-z0-9])?$/.test(name)) {
    throw refused(`${quoted(given.slice(0, 100))} cannot be a user's name`);
  }
  const groups = new Set([claims[groupsClaim]].flat().filter((one) => typeof one === 'string'));
  const isIn = (wanted: readonly string[]) => wanted.some((one) => groups.has(one));
  const subject = `${issuer} ${sub}`;
  if (isIn(adminGroups)) return { name, subject, role: 'admin' };
  if (userGroups === undefined || isIn(userGroups)) return { name, subject, role: 'user' };
  throw refused(`${name} is in none of the groups that may use this coordinator`);
}

const refused = (message: string): GomoteError =>
  new GomoteError('ERR_UNAUTHORIZED', message, { hint: 'ask an admin' });
