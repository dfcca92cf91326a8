// Buildlets of a team, from a coordinator over HTTP.
import { type BuilderType, builderTypeOfName, type Catalogue } from '../../builders.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { CoordinatorClient } from '../../client/coordinator-client.ts';
import { GomoteError, isStatus, StatusError } from '../../errors.ts';
import {
  labelsFeature,
  machineLabelsFeature,
  priorityFeature,
} from '../../protocol/coordinator.ts';
import type { RemoteBuildlet, RemoteUser } from '../../protocol/coordinator-replies.ts';
import {
  coordinatorAuthUser,
  deadBuildletText,
  unknownBuildletText,
  unknownTypeText,
} from '../../protocol/endpoints.ts';
import type {
  Backend,
  BackendCall,
  BatchCreation,
  CreateCall,
  Diagnosis,
  Instance,
  ListCall,
  RequestLog,
  SnapshotKeeping,
  SnapshotServer,
  TeamServer,
} from '../backend.ts';
import type { CoordinatorConfig } from './config.ts';
import { readKnownTypes, withType, writeKnownTypes } from './known-types.ts';

export interface CoordinatorSettings extends CoordinatorConfig {
  /** As in the configuration. */
  readonly name: string;
  readonly user: string;
  readonly token: string;
  /** An HTTP proxy to use. Absent: none. */
  readonly proxy?: string | undefined;
  /** A file to cache the coordinator's builder types in. Absent: no cache. */
  readonly typesFile?: string | undefined;
}

export class CoordinatorBackend
  implements Backend, BatchCreation, Diagnosis, TeamServer, SnapshotKeeping
{
  readonly name: string;
  readonly #client: CoordinatorClient;
  readonly #typesFile: string | undefined;

  constructor(settings: CoordinatorSettings, onRequest: RequestLog) {
    const { origin } = new URL(settings.url);
    const { fingerprint, proxy } = settings;
    this.name = settings.name;
    this.#typesFile = settings.typesFile;
    this.#client = new CoordinatorClient({
      auth: { username: coordinatorAuthUser(settings.user), password: settings.token },
      instance: { kind: 'tcp', origin, fingerprint, proxy },
      onRequest,
    });
  }

  async create({ name }: BuilderType, call: CreateCall): Promise<Instance> {
    refuseInherited(this.name, call);
    const { buildlet, builder } = await this.#explained(name, () =>
      this.#client.request(name, { ...call, snapshot: call.image }),
    );
    await this.#remember(builder);
    return toInstance(buildlet);
  }

  async createAll(
    { name }: BuilderType,
    count: number,
    call: CreateCall,
  ): Promise<Instance[] | undefined> {
    refuseInherited(this.name, call);
    const made = await this.#explained(name, () =>
      this.#client.requestAll(name, count, { ...call, snapshot: call.image }),
    );
    if (made === undefined) return undefined;
    await this.#remember(made.builder);
    return made.buildlets.map(toInstance);
  }

  async #remember(builder: BuilderType | undefined): Promise<void> {
    if (builder === undefined) return;
    const known = readKnownTypes(this.#typesFile);
    const types = withType(known, builder);
    if (types !== known) await writeKnownTypes(this.#typesFile, types);
  }

  async #explained<T>(type: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof StatusError && error.text === unknownTypeText) {
        throw new GomoteError('ERR_UNKNOWN_TYPE', `${this.name}: unknown builder type "${type}"`, {
          hint: 'see gomote types',
          cause: error,
        });
      }
      throw error instanceof GomoteError ? await this.explain('', error) : error;
    }
  }

  async keepsLabels(call: BackendCall): Promise<boolean> {
    return (await this.#client.types(call))?.features.includes(labelsFeature) === true;
  }

  async chooses(what: 'machineLabels' | 'priority', call: BackendCall): Promise<boolean> {
    const feature = what === 'priority' ? priorityFeature : machineLabelsFeature;
    return (await this.#client.types(call))?.features.includes(feature) === true;
  }

  async list(call: ListCall): Promise<Instance[]> {
    const remote = await this.#client.remoteBuildlets({ ...call, health: true });
    return remote.map(toInstance);
  }

  async connect(name: string): Promise<BuildletClient> {
    return this.#client.namedBuildlet(name);
  }

  async destroy(name: string, call: BackendCall): Promise<void> {
    const buildlet = this.#client.namedBuildlet(name);
    try {
      await buildlet.halt(call);
    } catch (error) {
      throw error instanceof GomoteError ? await this.explain(name, error) : error;
    } finally {
      await buildlet.disconnect();
    }
  }

  async types(call: BackendCall): Promise<Catalogue | undefined> {
    const types = await this.#client.types(call);
    if (types !== undefined) await writeKnownTypes(this.#typesFile, types.catalogue);
    return types?.catalogue;
  }

  async whoAmI(call: BackendCall): Promise<RemoteUser | undefined> {
    return (await this.#client.types(call))?.user;
  }

  async clock(call: BackendCall): Promise<Date | undefined> {
    return await this.#client.clock(call);
  }

  async snapshots(call: BackendCall): Promise<SnapshotServer | undefined> {
    return await this.#client.snapshots(call);
  }

  /** Looks the type up in the cache first, and asks the coordinator only when it is missing. */
  async builderOf(name: string, call: BackendCall): Promise<BuilderType | undefined> {
    const known = readKnownTypes(this.#typesFile);
    const catalogue = known.builders.length > 0 ? known : await this.types(call);
    return catalogue && builderTypeOfName(catalogue, name);
  }

  async extend(name: string, byMs: number, call: BackendCall): Promise<Date> {
    try {
      return (await this.#client.extend(name, byMs, call)).expires;
    } catch (error) {
      if (isStatus(error, 404)) {
        throw new GomoteError('ERR_USAGE', `${this.name} is a coordinator that extends nothing`, {
          hint: 'every use of a buildlet gives it more time there',
        });
      }
      throw error instanceof GomoteError ? await this.explain(name, error) : error;
    }
  }

  async explain(name: string, error: GomoteError): Promise<GomoteError> {
    const { code, message, hint } = error;
    if (isStatus(error, 502)) return this.#explain502(name, error);
    if ((code !== 'ERR_CONNECT' && code !== 'ERR_LOST') || hint !== undefined) return error;
    return new GomoteError(code, `${this.name}: ${message}`, {
      hint: 'the coordinator may be restarting, and buildlets live on: try again in a moment',
      cause: error,
    });
  }

  #explain502(name: string, error: StatusError): GomoteError {
    const { text } = error;
    if (text === unknownBuildletText) {
      return new GomoteError('ERR_UNKNOWN_BUILDLET', `${this.name}: "${name}": ${text}`, {
        hint: 'see gomote list, or make one with gomote create',
        cause: error,
      });
    }
    const isDead = text.startsWith(deadBuildletText(name, ''));
    const code = isDead ? 'ERR_BUILDLET_DIED' : 'ERR_CONNECT';
    return new GomoteError(code, `${this.name}: ${text}`, {
      hint: isDead ? `gomote destroy ${name}, and make another with gomote create` : undefined,
      cause: error,
    });
  }
}

function refuseInherited(backend: string, { host }: CreateCall): void {
  if (host.inheritEnv !== true) return;
  throw new GomoteError('ERR_USAGE', `${backend}: --inherit-env is not the user's to choose`, {
    hint: 'the configuration of the coordinator has inherit-env for its host types',
  });
}

const toInstance = (remote: RemoteBuildlet): Instance => ({
  name: remote.name,
  builderType: remote.builderType,
  hostType: remote.hostType,
  owner: remote.user.replace(/^user-/, ''),
  machine: remote.machine,
  created: remote.created,
  expires: remote.expires,
  dead: remote.health === 'dead' ? (remote.reason ?? 'dead') : undefined,
  labels: remote.labels,
  ...(remote.health === 'silent' && { trouble: remote.reason ?? 'does not answer' }),
});
