// Buildlets of a team, handed out by a coordinator over HTTP.
import type { BuilderType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { CoordinatorClient } from '../client/coordinator-client.ts';
import { GomoteError, StatusError } from '../errors.ts';
import { coordinatorAuthUser } from '../protocol/endpoints.ts';
import type { RemoteBuildlet } from '../protocol/replies.ts';
import type { Backend, BackendCall, BackendSettings, Instance, RequestLog } from './backend.ts';

type Settings = Extract<BackendSettings, { kind: 'coordinator' }>;

export class CoordinatorBackend implements Backend {
  readonly name: string;
  readonly #client: CoordinatorClient;

  constructor(settings: Settings, onRequest: RequestLog) {
    const { origin } = new URL(settings.url);
    this.name = settings.name;
    this.#client = new CoordinatorClient({
      auth: { username: coordinatorAuthUser(settings.user), password: settings.token },
      instance: { kind: 'tcp', origin, fingerprint: settings.fingerprint },
      onRequest,
    });
  }

  async create(builder: BuilderType, call: BackendCall): Promise<Instance> {
    return toInstance(await this.#client.requestBuildlet(builder.name, call));
  }

  async list(call: BackendCall): Promise<Instance[]> {
    return (await this.#client.remoteBuildlets(call)).map(toInstance);
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

  async explain(name: string, error: GomoteError): Promise<GomoteError> {
    if (!(error instanceof StatusError) || error.status !== 502) return error;
    return new GomoteError('ERR_UNKNOWN_BUILDLET', `${this.name}: "${name}": ${error.text}`, {
      hint: 'see gomote list, or make one with gomote create',
      cause: error,
    });
  }
}

const toInstance = (remote: RemoteBuildlet): Instance => ({
  name: remote.name,
  builderType: remote.builderType,
  hostType: remote.hostType,
  created: remote.created,
  expires: remote.expires,
  dead: undefined,
});
