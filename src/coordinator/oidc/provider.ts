// The provider for sign-ins: its endpoints, and its claims about people.
import type * as oauth from 'oauth4webapi';
import { GomoteError, messageOf } from '../../errors.ts';
import { readNamedSecret } from '../../files/private-file.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { OidcConfig } from './config.ts';
import type { Claims } from './identity.ts';

/** The time limit for the provider to answer, in ms. */
const answerTimeoutMs = 10_000;

/** What the browser must return with. */
export interface Challenge {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

export interface DeviceStart {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly url: string;
  readonly intervalMs: number;
  readonly expiresAtMs: number;
}

type OAuth = typeof import('./oauth.ts');

interface RequestOptions {
  readonly signal: () => AbortSignal;
}

interface Opened {
  readonly api: OAuth;
  readonly server: oauth.AuthorizationServer;
  readonly client: oauth.Client;
  readonly auth: oauth.ClientAuth;
  readonly options: RequestOptions;
}

export class OidcProvider {
  readonly config: OidcConfig;
  #opened: Promise<Opened> | undefined;

  constructor(config: OidcConfig) {
    this.config = config;
  }

  /** Checks the provider without a sign-in. Throws ERR_UNAVAILABLE when it cannot be reached. */
  async check(): Promise<string[]> {
    const { server } = await this.#open();
    return [
      ...(server.authorization_endpoint
        ? []
        : ['no browser can sign in: it has no authorization endpoint']),
      ...(server.device_authorization_endpoint
        ? []
        : ['gomote login cannot use it: it has no device flow']),
    ];
  }

  get #redirectUri(): string {
    return `${this.config.url}/page/oidc/callback`;
  }

  /** Where to send a browser, and what it must return with. */
  async begin(): Promise<{ readonly url: string; readonly challenge: Challenge }> {
    const { api, server } = await this.#open();
    if (server.authorization_endpoint === undefined) throw lacking('an authorization endpoint');
    const verifier = api.generateRandomCodeVerifier();
    const state = api.generateRandomState();
    const nonce = api.generateRandomNonce();
    const url = new URL(server.authorization_endpoint);
    const query = {
      ...{ client_id: this.config.clientId, redirect_uri: this.#redirectUri },
      ...{ response_type: 'code', scope: this.config.scopes, state, nonce },
      code_challenge: await api.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return { url: url.href, challenge: { state, nonce, verifier } };
  }

  /** The claims about the person of a returning browser. */
  async finish(query: URLSearchParams, { state, nonce, verifier }: Challenge): Promise<Claims> {
    const { api, server, client, auth, options } = await this.#open();
    const parameters = api.validateAuthResponse(server, client, query, state);
    const response = await api.authorizationCodeGrantRequest(
      ...([server, client, auth, parameters, this.#redirectUri, verifier, options] as const),
    );
    const tokens = await api.processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: nonce,
      requireIdToken: true,
    });
    return await this.#claims(tokens);
  }

  /** Begins a sign-in on another device than the one that asks. */
  async beginDevice(): Promise<DeviceStart> {
    const { api, server, client, auth, options } = await this.#open();
    if (server.device_authorization_endpoint === undefined) throw lacking('a device flow');
    const parameters = { scope: this.config.scopes };
    const response = await api.deviceAuthorizationRequest(
      ...([server, client, auth, parameters, options] as const),
    );
    const start = await api.processDeviceAuthorizationResponse(server, client, response);
    return {
      deviceCode: start.device_code,
      userCode: start.user_code,
      url: start.verification_uri_complete ?? start.verification_uri,
      intervalMs: (start.interval ?? 5) * 1_000,
      expiresAtMs: Date.now() + start.expires_in * 1_000,
    };
  }

  /** The claims about the person who has signed in on the other device, or why nobody has. */
  async finishDevice(deviceCode: string): Promise<Claims | 'pending' | 'slow down'> {
    const { api, server, client, auth, options } = await this.#open();
    const response = await api.deviceCodeGrantRequest(server, client, auth, deviceCode, options);
    try {
      return await this.#claims(await api.processDeviceCodeResponse(server, client, response));
    } catch (error) {
      if (!(error instanceof api.ResponseBodyError)) throw error;
      if (error.error === 'authorization_pending') return 'pending';
      if (error.error === 'slow_down') return 'slow down';
      throw error;
    }
  }

  /** The claims of the id token, with those of the userinfo endpoint, such as groups. */
  async #claims(tokens: oauth.TokenEndpointResponse): Promise<Claims> {
    const { api, server, client, options } = await this.#open();
    const claims = api.getValidatedIdTokenClaims(tokens);
    if (claims === undefined) throw lacking('id tokens: the scope needs "openid"');
    if (server.userinfo_endpoint === undefined) return { ...claims };
    const response = await api.userInfoRequest(server, client, tokens.access_token, options);
    return {
      ...claims,
      ...(await api.processUserInfoResponse(server, client, claims.sub, response)),
    };
  }

  async #open(): Promise<Opened> {
    this.#opened ??= this.#discover();
    try {
      return await this.#opened;
    } catch (error) {
      // It may be available the next time.
      this.#opened = undefined;
      throw error;
    }
  }

  async #discover(): Promise<Opened> {
    const { issuer: text, clientId, clientSecretFile } = this.config;
    const api = await import('./oauth.ts');
    const issuer = new URL(text);
    const options = {
      signal: () => timeoutSignal(answerTimeoutMs),
      // The configuration allows that only for this machine.
      [api.allowInsecureRequests]: issuer.protocol === 'http:',
    };
    const secret =
      clientSecretFile && readNamedSecret('client-secret-file', clientSecretFile).trim();
    const response = await api.discoveryRequest(issuer, options).catch((error: unknown) => {
      throw new GomoteError('ERR_UNAVAILABLE', `cannot reach ${text}: ${causeOf(error)}`, {
        cause: error,
      });
    });
    try {
      const server = await api.processDiscoveryResponse(issuer, response);
      const methods = server.token_endpoint_auth_methods_supported;
      const isBasic = methods === undefined || methods.includes('client_secret_basic');
      const withSecret = isBasic ? api.ClientSecretBasic : api.ClientSecretPost;
      const auth = secret === undefined ? api.None() : withSecret(secret);
      return { api, server, client: { client_id: clientId }, auth, options };
    } catch (error) {
      const message = `${text} is not an OpenID provider of this name: ${messageOf(error)}`;
      throw new GomoteError('ERR_CONFIG', message, { cause: error });
    }
  }
}

/** The cause behind fetch's generic message. */
const causeOf = (error: unknown): string =>
  messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);

const lacking = (what: string): GomoteError =>
  new GomoteError('ERR_UNSUPPORTED', `the provider has no ${what}`);
