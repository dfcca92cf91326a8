// The section [oidc] of coordinator.toml: who signs people in, and what they may do.
import * as v from 'valibot';
import { positiveDurationSchema, tableOf } from '../../config/values.ts';

/** Whether tokens and secrets do not cross a network unencrypted. */
const isSafe = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:') return true;
  return url?.protocol === 'http:' && /^(localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname);
};

const url = v.pipe(v.string(), v.check(isSafe, 'give https://HOST'));

export const oidcSchema = tableOf(
  {
    /** The provider's issuer identifier. */
    issuer: url,
    'client-id': v.string(),
    'client-secret-file': v.optional(v.string()),
    /** The URL of this coordinator for browsers. */
    url,
    scopes: v.optional(v.string(), 'openid profile email'),
    'name-claim': v.optional(v.string(), 'preferred_username'),
    /** The domain to remove from names that are e-mail addresses. */
    'email-domain': v.optional(v.string()),
    'groups-claim': v.optional(v.string(), 'groups'),
    'admin-groups': v.optional(v.array(v.string()), []),
    /** Absent: everybody who can sign in at the provider. */
    'user-groups': v.optional(v.array(v.string())),
    /** How long the tokens of `gomote login` are valid. */
    'token-lifetime': v.optional(positiveDurationSchema, '12h'),
  },
  {
    'client-id': 'clientId',
    'client-secret-file': 'clientSecretFile',
    'name-claim': 'nameClaim',
    'email-domain': 'emailDomain',
    'groups-claim': 'groupsClaim',
    'admin-groups': 'adminGroups',
    'user-groups': 'userGroups',
    'token-lifetime': 'tokenMs',
  },
);

export type OidcConfig = v.InferOutput<typeof oidcSchema>;

/** @param at Makes a path in the configuration absolute. */
export function toOidc(
  section: OidcConfig | undefined,
  at: (path: string) => string,
): OidcConfig | undefined {
  if (section === undefined) return undefined;
  const { clientSecretFile: file } = section;
  const clientSecretFile = file === undefined ? undefined : at(file);
  return { ...section, clientSecretFile, url: new URL(section.url).origin };
}
