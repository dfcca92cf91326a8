import { setMaxListeners } from 'node:events';
import { Backends } from '../gomote/backends.ts';
import type { Buildlet } from '../gomote/buildlet.ts';
import { Gomote } from '../gomote/gomote.ts';
import { isSet, settingsOf } from '../gomote/options.ts';
import { fileOfName } from './file-of-name.ts';
import type { Interrupts } from './interrupts.ts';
import type { SharedEnding } from './shared-ending.ts';
import { createMessages, type Messages, type Terminal } from './terminal/terminal.ts';
import { contradiction } from './values.ts';

export class Context {
  readonly terminal: Terminal;
  readonly interrupts: Interrupts;
  /** The exit code of the process when nothing fails. */
  exitCode = 0;
  /** Whether exit codes below 125 are those of a remote command, as for `run`. */
  isRun = false;
  isJson = false;
  /** With several buildlets: this one's name as a file name, for a separate place for its files. */
  ownName: string | undefined;
  /** With several buildlets: the work that is done once for all of them at the end. */
  sharedEnding: SharedEnding | undefined;
  #globals: GlobalOptions = {};
  #gomote: Gomote | undefined;

  readonly #parent: Context | undefined;

  /** @param parent The context whose configuration and open backends are shared. */
  constructor(terminal: Terminal, interrupts: Interrupts, parent?: Context) {
    this.terminal = terminal;
    this.interrupts = interrupts;
    this.#parent = parent;
    // All that the command does at once listens to it.
    setMaxListeners(0, this.signal);
  }

  /** A context for one of several buildlets, with its own terminal, signals and exit code, and the same options and backends. */
  forOne(name: string, terminal: Terminal, interrupts: Interrupts): Context {
    const one = new Context(terminal, interrupts, this);
    one.ownName = fileOfName(name);
    one.isRun = this.isRun;
    one.isJson = this.isJson;
    one.#globals = this.#globals;
    return one;
  }

  /** The same with these properties of the terminal changed, and an exit code of its own. */
  withTerminal(changes: PropertyDescriptorMap): Context {
    const one = this.forOne('', Object.create(this.terminal, changes) as Terminal, this.interrupts);
    one.ownName = undefined;
    return one;
  }

  /** Aborts on Ctrl-C and the like. */
  get signal(): AbortSignal {
    return this.interrupts.signal;
  }

  /** Sets the global options. `GOMOTE_*` variables are the defaults. */
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
    if (given.staging && given.backend !== undefined && given.backend !== 'staging')
      throw contradiction('--staging', `--backend ${given.backend}`);
  }

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
    return createMessages(this.terminal, this.#globals);
  }

  /** The buildlets that the global options select. */
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

  /** Makes this backend the default, unless the user has chosen one. */
  chooseBackend(name: string): void {
    if (this.backends.isGiven) return;
    this.#globals = { ...this.#globals, backend: name };
    this.#gomote = undefined;
  }

  /** Runs `work` on the buildlet `NAME`, `BACKEND/NAME` or `TYPE@HOST[:PORT]`, and explains its failure. */
  async withBuildlet<T>(name: string, work: (buildlet: Buildlet) => Promise<T>): Promise<T> {
    const buildlet = await this.gomote.get(name);
    try {
      return await buildlet.explained(() => work(buildlet));
    } finally {
      await buildlet.disconnect();
    }
  }
}

export interface GlobalOptions {
  user?: string;
  backend?: string;
  group?: string;
  staging?: boolean;
  passwordFile?: string;
  verbose?: boolean;
  quiet?: boolean;
  color?: boolean;
}
