// A Gomote whose buildlets run in this process, for tests of programs that use the library.
import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnyBackend, BackendCall, Instance } from '../backends/backend.ts';
import type { BackendConfig } from '../backends/config.ts';
import { dockerBackend } from '../backends/docker/ad-hoc.ts';
import { LocalBackend, type LocalSettings } from '../backends/local/backend.ts';
import { type BuilderType, nameEnding } from '../builders.ts';
import { GomoteError } from '../errors.ts';
import { removeTree } from '../files/remove-tree.ts';
import { Backends } from '../gomote/backends.ts';
import { Gomote } from '../gomote/gomote.ts';
import { settingsOf } from '../gomote/options.ts';
import { Machines } from './machines.ts';
import { Network } from './network.ts';

/** Options of `openTest`. */
export interface TestOptions {
  /** The extensions that buildlets support. Default: all. `[]` is a buildlet like Go's, without extensions. */
  readonly features?: readonly string[] | undefined;
}

class TestBackend extends LocalBackend {
  readonly #machines: Machines;

  constructor(settings: LocalSettings, machines: Machines) {
    super(settings, undefined);
    this.#machines = machines;
  }

  /** A catalogue that has every type. */
  async types(): Promise<undefined> {
    return undefined;
  }

  /** The type in a name: any can be forked. */
  async builderOf(name: string): Promise<BuilderType> {
    const type = name.replace(nameEnding, '').replace(/^test-/, '');
    return { name: type, hostType: type, env: [] };
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
    // The buildlet runs, but the network is down.
    const dead = 'does not answer';
    return all.map((one) => (one.dead && this.#machines.get(one.name) ? { ...one, dead } : one));
  }

  override async explain(name: string, error: GomoteError): Promise<GomoteError> {
    return this.#machines.get(name) ? error : await super.explain(name, error);
  }
}

/** Every type is created by the local backend. */
class TestBackends extends Backends {
  readonly #backend: AnyBackend;

  constructor(environment: NodeJS.ProcessEnv, backend: AnyBackend) {
    super(settingsOf({ backend: 'local', user: 'test', environment }));
    this.#backend = backend;
  }

  override async configOf(): Promise<BackendConfig> {
    // Accepts most options, also those of `docker:IMAGE`.
    return dockerBackend;
  }

  override async open(): Promise<AnyBackend> {
    this.checkOpen();
    return this.#backend;
  }
}

/**
 * A {@link Gomote} whose buildlets are real, but run in this process. They have their own work directories, and commands are
 * processes of this machine. A buildlet of any type takes a few milliseconds to create. The user's configuration
 * is not read, and nothing is left at the end. `openTest` creates it.
 *
 * @example
 * await using gomote = await openTest();
 * gomote.network.plan = (n) => (n === 2 ? { kind: 'drop', direction: 'up', afterBytes: 500 } : undefined);
 * await programUnderTest(gomote);
 *
 * @example
 * const gomote = await openTest();
 * const { name } = await gomote.create('linux-amd64');
 * gomote.fillDisk(name);
 * await gomote.kill(name);
 * await gomote.close();
 */
export class TestGomote extends Gomote {
  /** The connections to the buildlets, and their faults. */
  readonly network: Network;
  /**
   * Variables for programs that run as separate processes: with these they find the buildlets of this process, and
   * create ordinary local buildlets.
   */
  readonly environment: NodeJS.ProcessEnv;
  readonly #backends: TestBackends;
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
    const backends = new TestBackends(environment, new TestBackend(settings, machines));
    super(backends);
    this.#backends = backends;
    this.#directory = directory;
    this.#machines = machines;
    this.network = network;
    this.environment = environment;
  }

  /**
   * Ends a buildlet as if its machine were switched off: its connections are reset, and it no longer answers. `list` shows
   * it as dead until it is destroyed.
   *
   * @throws GomoteError ERR_UNKNOWN_BUILDLET when there is none of that name.
   */
  async kill(name: string): Promise<void> {
    await this.#machine(name).kill();
  }

  /**
   * Makes requests that send files to a buildlet (push, put, write) fail as on a full disk. Commands can still write.
   *
   * @param isFull false: the disk has space again. Default true.
   * @throws GomoteError ERR_UNKNOWN_BUILDLET when there is none of that name.
   */
  fillDisk(name: string, isFull = true): void {
    this.#machine(name).isFull = isFull;
  }

  /** Destroys all buildlets, and removes all their files. */
  override async close(): Promise<void> {
    this.#backends.close();
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
 * Opens a {@link TestGomote}, which closes at the end of its scope.
 *
 * @example
 * await using gomote = await openTest();
 * await using buildlet = await gomote.create('linux-amd64');
 * gomote.fillDisk(buildlet.name);
 * await assert.rejects(buildlet.push('.'), /no space left/);
 */
export const openTest = async (options: TestOptions = {}): Promise<TestGomote> =>
  new TestGomote(options);
