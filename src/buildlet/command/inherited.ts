// Removes what a buildlet inherits but must not keep: open descriptors, and secrets in its environment.
// Linux only.
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeSync,
} from 'node:fs';

const closeOnExec = 0o2000000;

/** Where Node looks for the certificates of the system. */
const systemCertificates = ['/etc/ssl', '/usr/lib/ssl', '/etc/pki', '/usr/share/ca-certificates'];

/**
 * Closes the descriptors above 2 that the starter left open: they would keep locks and pipes open for as long
 * as the buildlet lives. Call it before anything is opened.
 */
export function closeInheritedDescriptors(): void {
  const open = descriptors();
  for (const { fd, target, flags } of open) {
    // Node sets this flag on all of its own descriptors, but also on low inherited ones.
    const mayBeNodes = (flags & closeOnExec) !== 0;
    const isInternal =
      target.startsWith('anon_inode:') ||
      (target.startsWith('pipe:') && open.filter((other) => other.target === target).length > 1);
    if (fd <= 2 || fd === Number(process.env.NODE_CHANNEL_FD) || (mayBeNodes && isInternal)) {
      continue;
    }
    // A thread of Node reads certificates meanwhile, and closes them itself.
    if (!isOfCertificates(target)) closeSync(fd);
  }
}

function isOfCertificates(path: string): boolean {
  const { NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, SSL_CERT_DIR } = process.env;
  const places = [NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, ...(SSL_CERT_DIR ?? '').split(':')];
  return [...places, ...systemCertificates].some((place) => {
    if (place === undefined || place === '') return false;
    try {
      const found = realpathSync(place);
      return path === found || path.startsWith(`${found}/`);
    } catch {
      return false;
    }
  });
}

interface Descriptor {
  readonly fd: number;
  readonly target: string;
  readonly flags: number;
}

function descriptors(): Descriptor[] {
  try {
    return readdirSync('/proc/self/fd').flatMap((name) => {
      try {
        const [, flags = ''] = /^flags:\s*([0-7]+)/m.exec(infoOf(name)) ?? [];
        const target = readlinkSync(`/proc/self/fd/${name}`);
        return [{ fd: Number(name), target, flags: Number.parseInt(flags, 8) }];
      } catch {
        // This was the descriptor for reading the list.
        return [];
      }
    });
  } catch {
    return [];
  }
}

const infoOf = (name: string): string => readFileSync(`/proc/self/fdinfo/${name}`, 'latin1');

/**
 * Removes the variables that begin with `prefix` from this process, including the initial memory that
 * /proc/PID/environ shows to every command. Returns false when it could not be cleared.
 */
export function forgetVariables(prefix: string): boolean {
  const names = Object.keys(process.env).filter((name) => name.startsWith(prefix));
  for (const name of names) delete process.env[name];
  if (names.length === 0 || process.platform !== 'linux') return names.length === 0;
  try {
    overwriteVariables(prefix);
    return !readFileSync('/proc/self/environ', 'latin1').includes(`${prefix}`);
  } catch {
    return false;
  }
}

function overwriteVariables(prefix: string): void {
  // The fields after the name of the program, which may hold anything: the first is the third, the 50th is `env_start`.
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)?.split(' ') ?? [];
  const start = Number(fields[50 - 3]);
  const environment = readFileSync('/proc/self/environ');
  const memory = openSync('/proc/self/mem', 'r+');
  try {
    for (let at = 0; at < environment.length; ) {
      const found = environment.indexOf(0, at);
      const end = found < 0 ? environment.length : found;
      if (environment.toString('latin1', at, at + prefix.length) === prefix) {
        writeSync(memory, Buffer.alloc(end - at), 0, end - at, start + at);
      }
      at = end + 1;
    }
  } finally {
    closeSync(memory);
  }
}
