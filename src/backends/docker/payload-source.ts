// Chooses the Node for a container: this machine's, or one from the configuration for the architecture.
import { join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { nodePath } from '../../node-command.ts';
import { payloadKey, payloadPaths } from '../payload.ts';

export interface PayloadSource {
  readonly architecture: string;
  /** The directory from the configuration; undefined: this machine's own Node. */
  readonly directory: string | undefined;
  /** The volume's name, which depends on the versions of gomote and Node. */
  readonly volume: string;
}

/** Images name architectures as Go does. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Throws ERR_CONFIG when there is no Node for the architecture. */
export function payloadSource(
  architecture: string,
  image: string,
  payloads: Readonly<Record<string, string>>,
): PayloadSource {
  const directory = payloads[architecture];
  const own = process.platform === 'linux' ? architectures[process.arch] : undefined;
  if (directory === undefined && own !== architecture) {
    const why =
      own === undefined
        ? `this machine's Node is for ${process.platform}`
        : `this machine's Node is for ${own}`;
    throw new GomoteError('ERR_CONFIG', `${image} is for linux/${architecture}, and ${why}`, {
      hint: `name a directory with a Node for it: payloads = { ${architecture} = "/DIRECTORY" }`,
    });
  }
  const node = directory === undefined ? nodePath() : join(directory, payloadPaths.node);
  const volume = `gomote-${payloadKey(node, architecture)}`;
  return { architecture, directory, volume };
}
