// Who a person is, by the claims of an OpenID provider.
import { describe, expect, it } from 'vitest';
import type { OidcConfig } from '../../src/coordinator/oidc/config.ts';
import { identityOf } from '../../src/coordinator/oidc/identity.ts';

const config: OidcConfig = {
  issuer: 'https://login.example',
  clientId: 'gomote',
  clientSecretFile: undefined,
  url: 'https://builds.example',
  scopes: 'openid email',
  nameClaim: 'email',
  emailDomain: 'example.com',
  groupsClaim: 'groups',
  adminGroups: [],
  userGroups: undefined,
  tokenMs: 1,
};

const claims = { sub: '1', email: 'anna@example.com', preferred_username: 'anna' };

describe('an email address that names a user', () => {
  it.each([false, 'false', 0, null, ''])('is refused when email_verified is %j', (verified) => {
    const given = { ...claims, email_verified: verified };
    expect(() => identityOf(given, config)).toThrow('has not verified your email address');
  });

  it.each([true, 'true', undefined])('is taken when email_verified is %j', (verified) => {
    const given = { ...claims, email_verified: verified };
    expect(identityOf(given, config).name).toBe('anna');
  });

  it('need not be verified when another claim has the name', () => {
    const given = { ...claims, email_verified: false };
    const name = { ...config, nameClaim: 'preferred_username' };
    expect(identityOf(given, name).name).toBe('anna');
  });
});
