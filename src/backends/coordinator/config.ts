// The table of a coordinator: [backends.NAME] with a url.
import * as v from 'valibot';
import { fingerprintSchema, nameSchema } from '../../config/values.ts';

export interface CoordinatorConfig {
  readonly kind: 'coordinator';
  /** Origin only. */
  readonly url: string;
  /** Lower-case hex SHA-256 of the one certificate accepted. */
  readonly fingerprint?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** The user's name there, if it differs. */
  readonly user?: string | undefined;
}

export const coordinatorSection = v.pipe(
  v.strictObject({
    kind: v.optional(v.literal('coordinator'), 'coordinator'),
    url: v.string(),
    fingerprint: v.optional(fingerprintSchema),
    'token-file': v.optional(v.string()),
    user: v.optional(nameSchema),
    insecure: v.optional(v.boolean()),
  }),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }): CoordinatorConfig => {
    const { kind, url, fingerprint, user } = value;
    const message = urlProblem(url, value.insecure === true);
    if (message !== undefined) {
      const path = {
        type: 'object',
        origin: 'value',
        input: value,
        key: 'url',
        value: url,
      } as const;
      addIssue({ input: url, message, path: [path] });
      return NEVER;
    }
    const { origin } = new URL(url);
    return { kind, url: origin, fingerprint, tokenFile: value['token-file'], user };
  }),
);

/** Why the text is not the URL of a coordinator; undefined when it is. */
export function urlProblem(text: string, isInsecureAllowed: boolean): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    return 'give https://HOST[:PORT]';
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    return 'give the host and port alone';
  }
  const isLoopback = /^(localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'https:' || isLoopback || isInsecureAllowed) return undefined;
  return 'the token would cross the network unprotected: use https, or insecure = true';
}
