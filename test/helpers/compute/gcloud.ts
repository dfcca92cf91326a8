// The real gcloud, where it is installed: a second, independent client, and the owner of the schema.
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../temporary.ts';
import { missing } from '../tools.ts';
import type { Exchange } from './server.ts';

/** Where gcloud is; undefined: it is not installed here. */
export const gcloudRoot: string | undefined = findGcloud();

if (gcloudRoot === undefined) {
  missing(
    'gcloud is not installed (nothing checks the fake Compute API against its schema, and no second client drives it)',
  );
}

function findGcloud(): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(directory, 'gcloud'), constants.X_OK);
      const root = join(realpathSync(join(directory, 'gcloud')), '../..');
      const messages = 'lib/googlecloudsdk/generated_clients/apis/compute/v1';
      if (existsSync(join(root, messages))) return root;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

/** What gcloud's own message classes do not know in the exchanges: misspelt keys, bad enums, wrong types. */
export async function schemaProblems(exchanges: readonly Exchange[]): Promise<string[]> {
  if (gcloudRoot === undefined) return [];
  const script = new URL('./schema.py', import.meta.url).pathname;
  const running = promisify(execFile)('python3', [script, gcloudRoot], { maxBuffer: 64 << 20 });
  const plain = exchanges.map(({ verb, params, body, answer }) => ({ verb, params, body, answer }));
  running.child.stdin?.end(JSON.stringify(plain));
  return JSON.parse((await running).stdout);
}

/** Runs gcloud against the fake, with no credentials and a configuration of its own; gives what it printed as JSON. */
export async function gcloud(
  endpoint: string,
  project: string,
  ...args: string[]
): Promise<unknown> {
  const { stdout } = await promisify(execFile)('gcloud', [...args, '--format=json'], {
    env: {
      PATH: process.env.PATH,
      HOME: temporaryDirectory(),
      CLOUDSDK_CONFIG: temporaryDirectory(),
      CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${endpoint}compute/v1/`,
      CLOUDSDK_AUTH_DISABLE_CREDENTIALS: 'true',
      CLOUDSDK_CORE_PROJECT: project,
      CLOUDSDK_CORE_CHECK_GCE_METADATA: 'false',
      CLOUDSDK_CORE_DISABLE_USAGE_REPORTING: 'true',
      CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK: 'true',
      CLOUDSDK_CORE_DISABLE_PROMPTS: '1',
    },
  });
  return stdout.trim() === '' ? undefined : JSON.parse(stdout);
}
