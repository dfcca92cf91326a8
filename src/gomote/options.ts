// The options of `open`, with the environment variables as defaults.
import { checkSignal } from '../errors.ts';
import { checkOptionalText, checkOptions } from './arguments.ts';

/** The options of `open`. All are optional, with the same defaults as the command line. */
export interface OpenOptions {
  /**
   * The backend for names without a prefix, and for `list` and `create`. Default: `GOMOTE_BACKEND`, otherwise the
   * default in the configuration, otherwise `local`.
   */
  readonly backend?: string | undefined;
  /** The owner of buildlets. Default: `GOMOTE_USER`, otherwise the user in the configuration, otherwise that of the process. */
  readonly user?: string | undefined;
  /** The directory of `config.toml` and the tokens. Default: that of the command line. */
  readonly config?: string | undefined;
  /** The file with the password of buildlets that are named by address. Default: `GOMOTE_PASSWORD_FILE`. */
  readonly passwordFile?: string | undefined;
  /** The environment variables. Default: those of the process. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** Cancels all calls, which then fail with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Called with a line for each request that was answered and each lease that could not be renewed. */
  readonly log?: ((line: string) => void) | undefined;
}

/** Returns the options, with defaults from the environment. */
export interface Settings extends OpenOptions {
  readonly environment: NodeJS.ProcessEnv;
}

export function settingsOf(given: OpenOptions): Settings {
  checkOptions(given);
  const { backend, user, config, passwordFile, signal } = given;
  checkSignal(signal);
  for (const [what, value] of Object.entries({ backend, user, config, passwordFile })) {
    checkOptionalText(what, value);
  }
  const environment = given.environment ?? process.env;
  const { GOMOTE_USER, GOMOTE_PASSWORD_FILE } = environment;
  return {
    ...given,
    environment,
    backend: (given.backend ?? usualBackend(environment)) || undefined,
    user: (given.user ?? GOMOTE_USER) || undefined,
    passwordFile: (given.passwordFile ?? GOMOTE_PASSWORD_FILE) || undefined,
  };
}

/** The backend that the environment chooses, if any. */
export const usualBackend = (environment: NodeJS.ProcessEnv): string | undefined =>
  isSet(environment.GOMOTE_STAGING) ? 'staging' : environment.GOMOTE_BACKEND;

export const isSet = (value = ''): boolean => ['1', 'true', 'yes'].includes(value);
