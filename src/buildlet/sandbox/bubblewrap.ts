// The arguments of bubblewrap: what a sandbox shows of the system.
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../package-root.ts';

export interface SandboxView {
  /** Directories that commands may write to, at the same paths as outside. */
  readonly workDir: string;
  /** Become /tmp and the home directory. */
  readonly temporary: string;
  readonly home: string;
  readonly pipes: string;
  /** Whether commands have the machine's network, or only a loopback interface. */
  readonly network: 'host' | 'none';
  /** Additional absolute paths of the machine. */
  readonly readOnly: readonly string[];
  readonly writable: readonly string[];
  /** Directories of the machine at other paths, which commands may write to. */
  readonly caches: readonly { readonly path: string; readonly directory: string }[];
}

/** HOME in a sandbox. */
export const sandboxHome = '/home/build';

/** Programs and libraries, where systems have them. */
const systemPaths = [
  ...['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt', '/sys'],
  ...['/nix/store', '/gnu/store', '/run/current-system'],
];

/**
 * Directories that root may write without capabilities, which would affect the whole machine. bubblewrap, which checks
 * whether directories are writable, considers them harmless.
 */
const kernelSettings = ['sys', 'sysrq-trigger', 'irq', 'bus', 'fs', 'acpi', 'scsi', 'mtrr'].map(
  (name) => `/proc/${name}`,
);

/** The path of the program that starts commands in a sandbox. */
const placeForBuildlet = '/run/gomote';

/** The path of the FIFOs in a sandbox. */
export const pipesPlace = join(placeForBuildlet, 'pipes');

export const sandboxArguments = (view: SandboxView): string[] => [
  ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
  ...(view.network === 'none' ? ['--unshare-net'] : []),
  ...['--die-with-parent', '--cap-drop', 'ALL'],
  ...systemPaths.flatMap((path) => shown(path)),
  ...configuration(),
  ...resolverFile(),
  ...['--proc', '/proc', '--dev', '/dev'],
  ...kernelSettings.flatMap((path) => shown(path)),
  ...forRootAlone().flatMap(hidden),
  ...['--bind', view.temporary, '/tmp', '--bind', view.temporary, '/var/tmp'],
  ...['--bind', view.home, sandboxHome],
  ...view.readOnly.flatMap((path) => ['--ro-bind', path, path]),
  ...view.writable.flatMap((path) => ['--bind', path, path]),
  ...view.caches.flatMap(({ path, directory }) => ['--bind', directory, path]),
  ...['--bind', view.workDir, view.workDir, '--ro-bind', view.pipes, pipesPlace],
  ...ownFiles(),
  ...['--remount-ro', '/', '--chdir', '/'],
];

/** The program that runs in it. */
export const sandboxProgram = [
  join(placeForBuildlet, 'node'),
  join(placeForBuildlet, 'dist', 'sandbox-host.cjs'),
];

/** A read-only system directory. A link, such as /bin to usr/bin, stays a link. */
function shown(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return found.isSymbolicLink()
    ? ['--symlink', readlinkSync(path), path]
    : ['--ro-bind', path, path];
}

/** The files in /etc that programs, not services, need. */
const programSettings =
  /^(.*[-_](release|version)|alternatives|bash\.bashrc|ca-certificates.*|crypto-policies|fonts|gai\.conf|git.*|group|host\.conf|hostname|hosts|inputrc|java.*|ld[-.].*|locale\..*|localtime|maven|mime\.types|nsswitch\.conf|openssl|passwd|perl|php.*|pki|profile.*|protocols|python.*|resolv\.conf|ruby.*|services|shells|ssl|terminfo|timezone|xattr\.conf|xdg|xml)$/;

/**
 * The system's configuration. Root could read all of it, whatever the modes, including later files: it only sees the
 * settings of programs that every user can read.
 */
const configuration = (): string[] =>
  process.getuid?.() === 0
    ? entriesOf('/etc')
        .filter(({ name }) => programSettings.test(name))
        .flatMap(readable)
    : shown('/etc');

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly isLink: boolean;
  readonly isDirectory: boolean;
}

const entriesOf = (directory: string): Entry[] =>
  readdirSync(directory, { withFileTypes: true }).map((entry) => ({
    name: entry.name,
    path: join(directory, entry.name),
    isLink: entry.isSymbolicLink(),
    isDirectory: entry.isDirectory(),
  }));

/** Shows a directory as a whole if every user can read everything below it, else entry by entry. */
function readable(entry: Entry): string[] {
  const { path, isLink, isDirectory } = entry;
  if (isLink) return shown(path);
  if (!isReadable(entry)) return [];
  return isDirectory && hasUnreadable(path)
    ? entriesOf(path).flatMap(readable)
    : ['--ro-bind-try', path, path];
}

const hasUnreadable = (directory: string): boolean =>
  entriesOf(directory).some(
    (entry) =>
      !entry.isLink && (!isReadable(entry) || (entry.isDirectory && hasUnreadable(entry.path))),
  );

/** Also false for entries that were removed meanwhile. */
function isReadable({ path, isDirectory }: Pick<Entry, 'path' | 'isDirectory'>): boolean {
  const needed = isDirectory ? 0o005 : 0o004;
  const mode = lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & needed) === needed;
}

/** What the kernel shows to root alone; other users cannot read it anyway. */
function forRootAlone(): string[] {
  if (process.getuid?.() !== 0) return [];
  const files = entriesOf('/proc').filter((entry) => !entry.isDirectory && !isReadable(entry));
  // Such as debugfs, tracefs and pstore.
  const mounted = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith('/sys/') && !isReadable({ path, isDirectory: true }));
  return [...files.map(({ path }) => path), '/sys/firmware', ...mounted].filter(
    (path) => !kernelSettings.includes(path),
  );
}

/** An empty directory or file in its place. */
function hidden(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return found.isDirectory()
    ? ['--tmpfs', path, '--remount-ro', path]
    : ['--ro-bind', '/dev/null', path];
}

/** /etc/resolv.conf is often a link to a file in /run. */
function resolverFile(): string[] {
  try {
    const file = realpathSync('/etc/resolv.conf');
    return file.startsWith('/etc/') ? [] : ['--ro-bind', file, file];
  } catch {
    return [];
  }
}

/** The program that starts commands, its Node, and what makes terminals. */
const ownFiles = (): string[] => [
  ...['--ro-bind', realpathSync(process.execPath), join(placeForBuildlet, 'node')],
  ...['dist/sandbox-host.cjs', 'dist/terminal-host.cjs', 'dist/sftp-server.cjs'].flatMap((file) => [
    '--ro-bind',
    join(packageRoot, file),
    join(placeForBuildlet, file),
  ]),
  ...terminalPackages().flatMap(({ name, directory }) => [
    '--ro-bind',
    directory,
    join(placeForBuildlet, 'node_modules', name),
  ]),
];

/** Without them commands can run, but not on a terminal. */
function terminalPackages(): { name: string; directory: string }[] {
  const { resolve } = createRequire(import.meta.filename);
  const names = ['@lydell/node-pty', `@lydell/node-pty-${process.platform}-${process.arch}`];
  return names.flatMap((name) => {
    try {
      const directory = dirname(resolve(`${name}/package.json`));
      return existsSync(directory) ? [{ name, directory }] : [];
    } catch {
      return [];
    }
  });
}
