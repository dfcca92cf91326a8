// The section [oidc] of coordinator.toml: who signs people in, and what they may do.
import * as v from 'valibot';
import { positiveDurationSchema } from '../../config/values.ts';

const groups = v.optional(v.array(v.string()));

/** Whether tokens and secrets do not cross a network unencrypted. */
const isSafe = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:') return true;
  return url?.protocol === 'http:' && /^(localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname);
};

const url = v.pipe(v.string(), v.check(isSafe, 'give https://HOST'));

export const oidcSchema = v.strictObject({
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
  'admin-groups': groups,
  'user-groups': groups,
  'token-lifetime': v.optional(positiveDurationSchema, '12h'),
});

export interface OidcConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecretFile: string | undefined;
  readonly url: string;
  readonly scopes: string;
  readonly nameClaim: string;
  readonly emailDomain: string | undefined;
  readonly groupsClaim: string;
  readonly adminGroups: readonly string[];
  /** Absent: everybody who can sign in at the provider. */
  readonly userGroups: readonly string[] | undefined;
  /** How long the tokens of `gomote login` are valid. */
  readonly tokenMs: number;
}

/** @param at Makes a path in the configuration absolute. */
export function toOidc(
  section: v.InferOutput<typeof oidcSchema> | undefined,
  at: (path: string) => string,
): OidcConfig | undefined {
  if (section === undefined) return undefined;
  const secretFile = section['client-secret-file'];
  return {
    issuer: section.issuer,
    clientId: section['client-id'],
    clientSecretFile: secretFile === undefined ? undefined : at(secretFile),
    url: new URL(section.url).origin,
    scopes: section.scopes,
    nameClaim: section['name-claim'],
    emailDomain: section['email-domain'],
    groupsClaim: section['groups-claim'],
    adminGroups: section['admin-groups'] ?? [],
    userGroups: section['user-groups'],
    tokenMs: section['token-lifetime'],
  };
}
