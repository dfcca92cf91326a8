// Host entries for OpenSSH, a block for each buildlet.
//
// An unknown keyword in any block makes ssh reject the whole configuration: only keywords that exist since
// version 7.3, which added Include, are used.
import { GomoteError } from '../../errors.ts';
import { quoted } from '../../printable.ts';
import { hostKeyAlias, type SshFiles } from './state.ts';

/** A buildlet as a host of ssh. */
export interface SshHost {
  /** `BACKEND/NAME`, or an address, which identifies the buildlet regardless of options. */
  readonly name: string;
  /** The host names for ssh, of letters, digits and `._-`. */
  readonly aliases: readonly string[];
}

interface Way {
  readonly files: SshFiles;
  /** The proxy command without its last argument, the name of the buildlet. */
  readonly command: readonly string[];
  readonly platform: NodeJS.Platform;
}

const mark = '# buildlet ';

const headLines = [
  '# Written by gomote ssh-config --write, which replaces all of it.',
  '# gomote ssh-config --remove takes it away.',
];

/** Formats a block, with a final newline. Throws ERR_CONFIG when a path cannot be written in this format. */
export function hostBlock({ name, aliases }: SshHost, { files, command, platform }: Way): string {
  const quote = platform === 'win32' ? quotedForWindows : quotedForShell;
  const proxy = [...command, name].map((word) => quote(word).replaceAll('%', '%%')).join(' ');
  if (/[\r\n]/.test(proxy)) throw unwritable(proxy);
  const settings = {
    User: 'gomote',
    ProxyCommand: proxy,
    IdentityFile: configPath(files.userKey),
    IdentitiesOnly: 'yes',
    PreferredAuthentications: 'publickey',
    HostKeyAlias: hostKeyAlias,
    UserKnownHostsFile: configPath(files.knownHosts),
    GlobalKnownHostsFile: 'none',
    StrictHostKeyChecking: 'yes',
    UpdateHostKeys: 'no',
    CheckHostIP: 'no',
    HostKeyAlgorithms: 'ssh-ed25519',
    PubkeyAcceptedKeyTypes: 'ssh-ed25519',
    KexAlgorithms: 'curve25519-sha256@libssh.org,ecdh-sha2-nistp256',
    Ciphers: 'aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr',
    MACs: 'hmac-sha2-256-etm@openssh.com,hmac-sha2-256',
    Compression: 'no',
  };
  const lines = Object.entries(settings).map(([key, value]) => `  ${key} ${value}`);
  return `${[`${mark}${name}`, `Host ${aliases.join(' ')}`, ...lines].join('\n')}\n`;
}

export const fileOf = (blocks: Iterable<string>): string =>
  [...headLines, '', ...blocks].join('\n');

/** Parses such a file: its blocks by the names of their buildlets. */
export function blocksIn(text: string): Map<string, string> {
  const blocks = new Map<string, string>();
  for (const part of text.split(new RegExp(`^(?=${mark})`, 'm'))) {
    const [first = ''] = part.split('\n', 1);
    if (first.startsWith(mark)) blocks.set(first.slice(mark.length), `${part.trimEnd()}\n`);
  }
  return blocks;
}

/** A quoted path. Throws ERR_CONFIG for a path with quotes, which ssh cannot escape. */
export function configPath(path: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they end lines, or are cut off
  if (/["\\*?[\]%$\u0000-\u001f\u007f]/.test(path)) throw unwritable(path);
  return `"${path}"`;
}

const unwritable = (path: string): GomoteError =>
  new GomoteError('ERR_CONFIG', `a configuration of ssh cannot hold ${quoted(path)}`, {
    hint: 'set XDG_STATE_HOME to another directory, of letters and digits',
  });

/** Quotes a word so that sh, csh and fish read it in the same way. */
function quotedForShell(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll(/['\\]/g, (odd) => (odd === "'" ? `'"'"'` : `'\\\\'`))}'`;
}

const quotedForWindows = (word: string): string =>
  /^[\w@%+=:,./\\-]+$/.test(word) ? word : `"${word}"`;
