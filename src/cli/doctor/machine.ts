// Checks this machine: Node, the configuration, free disk space, other programs.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { applyLimits } from '../../buildlet/limits.ts';
import { errnoOf, GomoteError } from '../../errors.ts';
import { userDirectory } from '../../files/user-directories.ts';
import type { Config } from '../../gomote/config/config-file.ts';
import { readVersion } from '../../package-root.ts';
import type { EnforcedLimit } from '../../protocol/limits.ts';
import type { Context } from '../context.ts';
import { formatBytes } from '../transfer/format-bytes.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

const leastNode = [20, 18, 1] as const;

export function checkVersions(): Finding[] {
  const parts = process.versions.node.split('.').map(Number);
  const at = leastNode.findIndex((least, i) => parts[i] !== least);
  const isOld = at >= 0 && (parts[at] ?? 0) < (leastNode[at] ?? 0);
  const node = `${process.version} on ${process.platform} ${process.arch}`;
  return [
    ok('gomote', readVersion()),
    isOld
      ? problem(
          'node',
          new Error(`${node} is too old`),
          `install Node ${leastNode.join('.')} or later`,
        )
      : ok('node', node),
  ];
}

export async function checkConfig(
  context: Context,
): Promise<{ findings: Finding[]; config: Config | undefined }> {
  try {
    const config = await context.backends.config();
    const files = ['config.toml', 'logins.toml'].filter((name) =>
      existsSync(join(context.backends.configDir, name)),
    );
    const read = files.length === 0 ? 'none, and none is needed' : files.join(', ');
    const names = [...config.backends.keys()].join(', ');
    const message = `${context.backends.configDir}: ${read}; backends: ${names}; default: ${await context.backends.defaultName()}`;
    return { findings: [ok('configuration', message)], config };
  } catch (error) {
    const cure = 'correct the file; docs/configuration.md has every key';
    return { findings: [problem('configuration', error, cure)], config: undefined };
  }
}

/** Free space below which a build may soon fail, in bytes. */
const littleBytes = 2e9;
/** Free space below which gomote itself fails, in bytes. */
const tooLittleBytes = 50e6;

export async function checkDisks(environment: NodeJS.ProcessEnv): Promise<Finding[]> {
  const places = new Map<string, string>();
  const add = (what: string, find: () => string) => {
    try {
      places.set(what, existing(find()));
    } catch {
      // Without a home directory there is no such directory.
    }
  };
  add('disk of local buildlets', () =>
    userDirectory(environment, 'XDG_STATE_HOME', '.local/state'),
  );
  add('disk of caches', () => userDirectory(environment, 'XDG_CACHE_HOME', '.cache'));
  add('disk of temporary files', () => environment.TMPDIR || tmpdir());
  return await Promise.all([...places].map(([what, path]) => checkDisk(what, path)));
}

function existing(path: string): string {
  const parent = dirname(path);
  return existsSync(path) || parent === path ? path : existing(parent);
}

async function checkDisk(check: string, path: string): Promise<Finding> {
  try {
    const { bavail, bsize, files, ffree } = await statfs(path);
    const freeBytes = bavail * bsize;
    const free = `${formatBytes(freeBytes)} free at ${path}`;
    const cure = 'remove what is not needed there, or see gomote list and gomote destroy';
    if (files > 0 && ffree === 0)
      return problem(check, new Error(`no file can be made at ${path}`), cure);
    if (freeBytes < tooLittleBytes) return problem(check, new Error(`only ${free}`), cure);
    return freeBytes < littleBytes ? warning(check, `only ${free}`, cure) : ok(check, free);
  } catch (error) {
    return problem(check, error, `see what is wrong with ${path}`);
  }
}

/** A program that some backends or commands need. */
interface Program {
  readonly name: string;
  readonly args: readonly string[];
  readonly use: string;
  readonly kind?: string;
  /** The systems that have it. Default: all. */
  readonly platforms?: readonly NodeJS.Platform[];
}

const programs: readonly Program[] = [
  { name: 'git', args: ['--version'], use: 'push leaves out what git ignores' },
  { name: 'ssh', args: ['-V'], use: 'backends of kind "ssh" reach hosts by it', kind: 'ssh' },
  { name: 'docker', args: ['--version'], use: 'it starts the engine of containers' },
  {
    name: 'bwrap',
    args: ['--version'],
    use: 'create --isolation bubblewrap confines commands by it',
    platforms: ['linux'],
  },
];

const programMs = 5_000;

export async function checkPrograms(
  config: Config | undefined,
  environment: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
): Promise<Finding[]> {
  const here = programs.filter(({ platforms }) => platforms?.includes(platform) !== false);
  const kinds = new Set([...(config?.backends.values() ?? [])].map(({ kind }) => kind as string));
  return await Promise.all(
    here.map(async ({ name, args, use, kind }): Promise<Finding> => {
      const check = `program ${name}`;
      try {
        return ok(check, await firstLineOf(name, args, environment));
      } catch (error) {
        const cure = `install ${name === 'bwrap' ? 'bubblewrap' : name} if you need it: ${use}`;
        const message = errnoOf(error) === 'ENOENT' ? 'not found' : 'found, but it does not start';
        if (kind === undefined || !kinds.has(kind)) return warning(check, message, cure);
        return problem(check, new GomoteError('ERR_CONFIG', message), `install ${name}: ${use}`);
      }
    }),
  );
}

async function firstLineOf(
  name: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  return await new Promise((resolve, reject) => {
    const options = { env: environment, timeout: programMs, maxBuffer: 64 << 10 };
    const child = execFile(name, args, options, (error, stdout, stderr) => {
      if (error) reject(error);
      else resolve(`${stdout}${stderr}`.trim().split('\n')[0] ?? '');
    });
    child.stdin?.end();
  });
}

const words: Record<EnforcedLimit['by'], string> = {
  cgroup: 'by a control group',
  process: 'for each process only (prlimit)',
  nothing: 'by nothing',
};

/** Tries it as a buildlet does, whose control group is removed at once. No process enters it. */
export function checkLimits(
  root?: string,
  platform: NodeJS.Platform = process.platform,
): Finding[] {
  if (platform !== 'linux') return [];
  const check = 'limits of local buildlets';
  const open = enforcedFor('everybody', root);
  const confined = enforcedFor('nobody', root);
  const parts = open.map(({ resource, by }, i) => {
    const inSandbox = confined[i]?.by ?? by;
    return `${resource} ${words[by]}${inSandbox === by ? '' : `, in a sandbox ${words[inSandbox]}`}`;
  });
  const message = parts.join('; ');
  if (open.every(({ by }) => by === 'cgroup')) return [ok(check, message)];
  const cure =
    'to have them enforced, create buildlets where your user may make a control group: systemd-run --user --scope -p Delegate=yes gomote create …';
  return [warning(check, message, cure)];
}

/** The values do not matter: nothing runs under them. */
function enforcedFor(
  whose: 'everybody' | 'nobody',
  root: string | undefined,
): readonly EnforcedLimit[] {
  const applied = applyLimits({ memoryBytes: 1 << 30, cpus: 1, pids: 1000 }, { whose, root });
  applied.release();
  return applied.enforced;
}
