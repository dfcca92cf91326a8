// The kind of value that an argument or an option takes, by its name in the command's help.

export type ValueKind =
  | 'backend'
  | 'buildlet'
  | 'buildlets'
  | 'run'
  | 'type'
  | 'signal'
  | 'command'
  | 'job'
  | 'group'
  | 'snapshot'
  | 'cache'
  /** A path on the buildlet that the first operand names. */
  | 'remote'
  | 'remote-directory'
  | 'file'
  | 'directory'
  /** A local file, or NAME:PATH. */
  | 'copy'
  | 'none';

const argumentKinds: Readonly<Record<string, ValueKind>> = {
  name: 'buildlet',
  names: 'buildlets',
  id: 'run',
  type: 'type',
  path: 'remote',
  remote: 'remote-directory',
  dest: 'remote',
  dir: 'directory',
  file: 'file',
  cmd: 'remote',
  arg: 'remote',
  command: 'command',
  duration: 'none',
  url: 'none',
};

const ofCommand: Readonly<Record<string, Readonly<Record<string, ValueKind>>>> = {
  ls: { dir: 'remote-directory' },
  cp: { paths: 'copy' },
  logout: { name: 'backend' },
  job: { name: 'job', arg: 'none' },
};

const ofVerb: Readonly<Record<string, Readonly<Record<string, ValueKind>>>> = {
  group: { destroy: 'group', add: 'buildlet', remove: 'buildlet' },
  cache: { purge: 'cache' },
  snapshot: {
    ...{ create: 'buildlet', inspect: 'snapshot', prepare: 'snapshot' },
    ...{ share: 'snapshot', unshare: 'snapshot', remove: 'snapshot' },
  },
};

/** `first`: the command's first operand. */
export const kindOfArgument = (command: string, argument: string, first = ''): ValueKind => {
  const verbs = ofVerb[command];
  if (verbs !== undefined) return verbs[first] ?? 'none';
  return ofCommand[command]?.[argument] ?? argumentKinds[argument] ?? 'none';
};

const optionKinds: Readonly<Record<string, ValueKind>> = {
  '--backend': 'backend',
  '--builderenv': 'type',
  '--dir': 'remote-directory',
  '--dest': 'remote-directory',
  '--env-file': 'file',
  '--from': 'snapshot',
  '--group': 'group',
  '--into': 'directory',
  '--junit-output': 'file',
  '--on': 'buildlet',
  '--output': 'file',
  '--password-file': 'file',
  '--signal': 'signal',
  '--output-dir': 'directory',
  '--setup': 'file',
  '--setup-file': 'file',
  '--ssh-config': 'file',
  '--status-json': 'file',
  '--timing-json': 'file',
  '--token-file': 'file',
  '--verify': 'file',
};

export const kindOfOption = (long: string | undefined): ValueKind =>
  optionKinds[long ?? ''] ?? 'none';

/** The values of options that do not declare choices. */
export const optionValues: Readonly<Record<string, readonly string[]>> = {
  '--compress': ['auto', 'gzip', 'zstd', 'none'],
  '--on-hangup': ['kill', 'detach'],
  '--stream': ['stdout', 'stderr'],
};
