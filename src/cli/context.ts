// What every command uses: global options, messages, and the library's porch, which finds buildlets.
import type { AnyBackend } from '../backends/backend.ts';
import type { BackendConfig } from '../backends/config.ts';
import { GomoteError } from '../errors.ts';
import { Backends } from '../gomote/backends.ts';
import type { Buildlet } from '../gomote/buildlet.ts';
import type { Config } from '../gomote/config/config-file.ts';
import { Gomote } from '../gomote/gomote.ts';
import { isSet, settingsOf } from '../gomote/options.ts';
import { fileOfName } from './file-of-name.ts';
import type { GlobalOptions } from './global-options.ts';
import type { Interrupts } from './interrupts.ts';
import type { SharedEnding } from './shared-ending.ts';
import { createMessages, type Messages, type Terminal } from './terminal/terminal.ts';

export class Context {
  readonly terminal: Terminal;
  readonly interrupts: Interrupts;
  /** What the process ends with when nothing fails. */
  exitCode = 0;
  /** Whether the command stands for a remote one, as `run` does: its exit codes below 125 are that command's. */
  isRun = false;
  /** Whether a failure is reported as JSON. */
  isJson = false;
  /** One of several buildlets, as the name of a file: what is fetched from it goes into a place of its own. */
  ownName: string | undefined;
  /** Of one of several buildlets: what is done once for all of them at the end. */
  sharedEnding: SharedEnding | undefined;
  #globals: GlobalOptions = {};
  #gomote: Gomote | undefined;

  readonly #parent: Context | undefined;

  /** @param parent What has the configuration and the open backends already. */
  constructor(terminal: Terminal, interrupts: Interrupts, parent?: Context) {
    this.terminal = terminal;
    this.interrupts = interrupts;
    this.#parent = parent;
  }

  /** The same command for one of several buildlets: its own terminal, signals and exit code; the same options and backends. */
  forOne(name: string, terminal: Terminal, interrupts: Interrupts): Context {
    const one = new Context(terminal, interrupts, this);
    one.ownName = fileOfName(name);
    one.isRun = this.isRun;
    one.isJson = this.isJson;
    one.#globals = this.#globals;
    return one;
  }

  /** Aborts on Ctrl-C and the like. */
  get signal(): AbortSignal {
    return this.interrupts.signal;
  }

  /** Takes the options as given; `GOMOTE_*` variables stand in for those that were not. */
  set globals(given: GlobalOptions) {
    const { environment } = this.terminal;
    const flag = (name: string) => isSet(environment[name]);
    this.#gomote = undefined;
    this.#globals = {
      ...given,
      verbose: given.verbose ?? flag('GOMOTE_VERBOSE'),
      quiet: given.quiet ?? flag('GOMOTE_QUIET'),
      color: given.color !== false && !environment.NO_COLOR && !flag('GOMOTE_NO_COLOR'),
    };
    if (given.staging && given.backend !== undefined && given.backend !== 'staging') {
      throw new GomoteError('ERR_USAGE', `--staging and --backend ${given.backend} contradict`, {
        hint: 'give one of them',
      });
    }
  }

  /** The group that the command line names. */
  get group(): string | undefined {
    return this.#globals.group;
  }

  get verbose(): boolean {
    return this.#globals.verbose === true;
  }

  get color(): boolean {
    return this.#globals.color === true;
  }

  get messages(): Messages {
    const { verbose, quiet, color } = this.#globals;
    return createMessages(this.terminal, {
      verbose: verbose === true,
      quiet: quiet === true,
      color: color === true,
    });
  }

  /** The buildlets that the global options are about. */
  get gomote(): Gomote {
    const { staging, backend, user, passwordFile } = this.#globals;
    if (this.#gomote !== undefined) return this.#gomote;
    const settings = settingsOf({
      backend: staging ? 'staging' : backend,
      ...{ user, passwordFile },
      environment: this.terminal.environment,
      signal: this.signal,
      log: this.verbose ? (line) => this.messages.detail(`gomote: ${line}`) : undefined,
    });
    this.#gomote = new Gomote(new Backends(settings, this.#parent?.backends));
    return this.#gomote;
  }

  get backends(): Backends {
    return this.gomote.backends;
  }

  /** Where the configuration and the tokens are. */
  get configDir(): string {
    return this.backends.configDir;
  }

  async config(): Promise<Config> {
    return await this.backends.config();
  }

  /** Whether one backend was asked for, by option or variable, and not only by the configuration. */
  get isBackendGiven(): boolean {
    return this.backends.isGiven;
  }

  /** Makes this backend the usual one, unless the user has chosen one. */
  chooseBackend(name: string): void {
    if (this.isBackendGiven) return;
    this.#globals = { ...this.#globals, backend: name };
    this.#gomote = undefined;
  }

  /** The backend that names without one belong to. */
  async backendName(): Promise<string> {
    return await this.backends.defaultName();
  }

  /** A backend's section of the configuration; undefined when there is none, nor can it be used without one. */
  async backendConfig(name: string): Promise<BackendConfig | undefined> {
    return await this.backends.configOf(name);
  }

  /** How a buildlet is written so that every other command finds it, whatever the options of this one. */
  async fullName(backend: string, instance: string): Promise<string> {
    return await this.backends.fullName(backend, instance);
  }

  /** Opens a backend of the configuration, by default the chosen one. */
  async backend(name?: string): Promise<AnyBackend> {
    return await this.backends.open(name);
  }

  /** Whose buildlets these are. */
  async user(): Promise<string> {
    return await this.backends.user();
  }

  /** Runs `work` on the buildlet `NAME`, `BACKEND/NAME` or `TYPE@HOST[:PORT]`, and tells its failure plainly. */
  async withBuildlet<T>(name: string, work: (buildlet: Buildlet) => Promise<T>): Promise<T> {
    const buildlet = await this.gomote.get(name);
    try {
      return await buildlet.explained(() => work(buildlet));
    } finally {
      await buildlet.disconnect();
    }
  }

  /** Runs `work` on `NAME` or `BACKEND/NAME`, and suggests another name if there is none of that. */
  async withInstance<T>(
    name: string,
    work: (backend: AnyBackend, instance: string) => Promise<T>,
  ): Promise<T> {
    return await this.gomote.withInstance(name, work);
  }
}
