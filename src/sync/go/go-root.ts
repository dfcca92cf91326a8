// What is different when `gomote push` sends Go's own tree, as in Go's gomote.
import { execFile } from 'node:child_process';
import { parse, posix } from 'node:path';
import { promisify } from 'node:util';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, StatusError } from '../../errors.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import { ignoredOf } from '../ignore/git.ts';
import { isEditorBackup } from '../ignore/ignore-rules.ts';
import type { PushOptions } from '../push/push-options.ts';

/** Where Go's tree and its bootstrap toolchain are on a buildlet. */
export const goDir = 'go';
const bootstrapDir = 'go1.4';

/** Built at either end: never sent. */
const generated = [
  'VERSION.cache',
  'src/go/build/zcgo.go',
  'src/cmd/internal/objabi/zbootstrap.go',
  'src/runtime/internal/sys/zversion.go',
];

/** Built there and needed by the next build: never removed. */
const keptThere = [
  'VERSION',
  'src/cmd/cgo/zdefaultcc.go',
  'src/cmd/go/internal/cfg/zdefaultcc.go',
  'src/cmd/go/internal/cfg/zosarch.go',
  ...generated,
];

/** Without this file, Go's build asks git for the version, and there is no git repository there. */
const versionText = 'devel gomote.XXXXX';

/** `$GOROOT`, or that of `go env`. Throws ERR_LOCAL_FILE. */
export async function goRoot(environment: NodeJS.ProcessEnv): Promise<string> {
  if (environment.GOROOT) return environment.GOROOT;
  try {
    // A go.mod of the current directory, which may be anybody's, could make go fetch and start another toolchain.
    const options = { env: environment, cwd: parse(process.cwd()).root };
    const { stdout } = await promisify(execFile)('go', ['env', 'GOROOT'], options);
    if (stdout.trim() !== '') return stdout.trim();
  } catch (error) {
    throw new GomoteError('ERR_LOCAL_FILE', 'go does not say where its tree is', {
      hint: 'set GOROOT, or put go on PATH',
      cause: error,
    });
  }
  throw new GomoteError('ERR_LOCAL_FILE', 'go env GOROOT says nothing', { hint: 'set GOROOT' });
}

/** The options of a push of Go's own tree at `top`. */
export function goPushOptions(
  top: string,
  environment: NodeJS.ProcessEnv,
): Pick<PushOptions, 'dir' | 'mirror' | 'leavesOut' | 'keeps' | 'adjust'> {
  return {
    dir: goDir,
    mirror: true,
    leavesOut: (path, isDirectory) =>
      (isDirectory ? isBuilt(path) : isEditorBackup(posix.basename(path))) ||
      generated.includes(path) ||
      /^test\/.*\.[5-9]$/s.test(path),
    keeps: (path) => isBuilt(path.split('/', 1)[0] ?? '') || keptThere.includes(path),
    adjust: async (changes) => await withoutIgnored(changes, top, environment),
  };
}

const isBuilt = (path: string): boolean => path === 'pkg' || path === 'bin';

/** What git ignores here is build output there. */
async function withoutIgnored(
  changes: TreeChange[],
  top: string,
  environment: NodeJS.ProcessEnv,
): Promise<TreeChange[]> {
  const removed = changes.flatMap((change) => (change.op === 'remove' ? [change.path] : []));
  // Where git fails, nothing is ignored.
  const ignored = new Set(await ignoredOf(top, removed, { environment }).catch(() => []));
  return changes.filter((change) => change.op !== 'remove' || !ignored.has(change.path));
}

/** Fetches the bootstrap toolchain, if there is one and the buildlet has none. */
export async function installBootstrap(
  client: BuildletClient,
  url: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (url === undefined || (await holds(client, '', bootstrapDir, signal))) return;
  await client.putTarFromURL(url, bootstrapDir, { signal });
}

/** Writes a VERSION file there, unless there is one. */
export async function writeVersion(client: BuildletClient, signal: AbortSignal): Promise<void> {
  if (await holds(client, goDir, 'VERSION', signal)) return;
  await client.put(versionText, `${goDir}/VERSION`, 0o644, { signal });
}

async function holds(
  client: BuildletClient,
  dir: string,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    for await (const entry of client.listDir(dir, { signal })) {
      if (entry.name === name) return true;
    }
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
  }
  return false;
}
