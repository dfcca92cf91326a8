// A Gomote whose buildlets are in this process, for tests of programs that use one.
import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnyBackend, BackendCall, Instance } from '../backends/backend.ts';
import type { BackendConfig } from '../backends/config.ts';
import { dockerBackend } from '../backends/docker/ad-hoc.ts';
import { LocalBackend, type LocalSettings } from '../backends/local/backend.ts';
import { GomoteError } from '../errors.ts';
import { removeTree } from '../files/remove-tree.ts';
import { Backends } from '../gomote/backends.ts';
import { Gomote } from '../gomote/gomote.ts';
import { settingsOf } from '../gomote/options.ts';
import { Machines } from './machines.ts';
import { Network } from './network.ts';

/** What `openTest` takes. */
export interface TestOptions {
  /** The extensions that buildlets have. Default: all; `[]`: those of Go's buildlet, which has none. */
  readonly features?: readonly string[] | undefined;
}

class TestBackend extends LocalBackend {
  readonly #machines: Machines;

  constructor(settings: LocalSettings, machines: Machines) {
    super(settings, undefined);
    this.#machines = machines;
  }

  /** It has whatever type it is asked for. */
  async types(): Promise<undefined> {
    return undefined;
  }

  override async create(...args: Parameters<LocalBackend['create']>): Promise<Instance> {
    try {
      return await super.create(...args);
    } catch (error) {
      await this.#machines.endRemoved();
      throw error;
    }
  }

  override async list(call: BackendCall): Promise<Instance[]> {
    const all = await super.list(call);
    // It runs, but the network is down.
    const dead = 'does not answer';
    return all.map((one) => (one.dead && this.#machines.get(one.name) ? { ...one, dead } : one));
  }

  override async explain(name: string, error: GomoteError): Promise<GomoteError> {
    return this.#machines.get(name) ? error : await super.explain(name, error);
  }
}

/** Every backend is the one here. */
class TestBackends extends Backends {
  readonly #backend: AnyBackend;

  constructor(environment: NodeJS.ProcessEnv, backend: AnyBackend) {
    super(settingsOf({ backend: 'local', user: 'test', environment }));
    this.#backend = backend;
  }

  override async configOf(): Promise<BackendConfig> {
    // Takes the most of options: those of `docker:IMAGE` too.
    return dockerBackend;
  }

  override async open(): Promise<AnyBackend> {
    return this.#backend;
  }
}

/**
 * A {@link Gomote} whose buildlets are real, but run in this process: with their own work directories, and commands that are
 * processes of this machine. Each takes a few milliseconds to create, whatever its type. Nothing of the user's configuration
 * is read, and nothing is left at the end. `openTest` makes it.
 *
 * @example
 * await using gomote = await openTest();
 * gomote.network.plan = (n) => (n === 2 ? { kind: 'drop', direction: 'up', afterBytes: 500 } : undefined);
 * await programUnderTest(gomote);
 */
export class TestGomote extends Gomote {
  /** The connections to its buildlets, and what goes wrong with them. */
  readonly network: Network;
  /**
   * For programs that are started as processes of their own: with these variables they find the buildlets of this one, and
   * what they create are ordinary local buildlets.
   */
  readonly environment: NodeJS.ProcessEnv;
  readonly #directory: string;
  readonly #machines: Machines;

  /** @internal */
  constructor({ features }: TestOptions) {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), 'gomote-test-')));
    const environment = {
      ...{ PATH: process.env.PATH, HOME: directory, USER: 'test', GOMOTE_BACKEND: 'local' },
      ...{ XDG_RUNTIME_DIR: directory, TMPDIR: directory },
    };
    const network = new Network();
    const machines = new Machines(network, features);
    const settings: LocalSettings = {
      ...{ kind: 'local', name: 'local', environment },
      start: (directory, record, start) => machines.start(directory, record, start),
    };
    super(new TestBackends(environment, new TestBackend(settings, machines)));
    this.#directory = directory;
    this.#machines = machines;
    this.network = network;
    this.environment = environment;
  }

  /**
   * Ends a buildlet as if its machine were switched off: its connections are reset, and it does not answer any more. `list` has
   * it as dead until it is destroyed.
   *
   * @throws GomoteError ERR_UNKNOWN_BUILDLET when there is none of that name.
   */
  async kill(name: string): Promise<void> {
    await this.#machine(name).kill();
  }

  /**
   * Fails what sends files to a buildlet (push, put, write) as on a full disk. Commands there can still write.
   *
   * @param isFull false: there is room again. Default true.
   * @throws GomoteError ERR_UNKNOWN_BUILDLET when there is none of that name.
   */
  fillDisk(name: string, isFull = true): void {
    this.#machine(name).isFull = isFull;
  }

  /** Destroys all buildlets, and removes all files that were made for them. */
  override async close(): Promise<void> {
    this.network.heal();
    await super.close();
    await this.#machines.close();
    await removeTree(this.#directory);
  }

  #machine(name: string) {
    const machine = this.#machines.get(name);
    if (machine !== undefined) return machine;
    throw new GomoteError('ERR_UNKNOWN_BUILDLET', `no buildlet "${name}" runs here`);
  }
}

/**
 * Gives a {@link TestGomote}, which ends with its scope.
 *
 * @example
 * await using gomote = await openTest();
 * await using buildlet = await gomote.create('linux-amd64');
 * gomote.fillDisk(buildlet.name);
 * await assert.rejects(buildlet.push('.'), /no space left/);
 */
export const openTest = async (options: TestOptions = {}): Promise<TestGomote> =>
  new TestGomote(options);
