// What can be written for an argument or as the value of an option, by its name in the command's help.

export type ValueKind =
  | 'backend'
  | 'buildlet'
  /** Several, with commas between them. */
  | 'buildlets'
  | 'run'
  | 'type'
  | 'signal'
  | 'command'
  /** What the project's file calls by a name. */
  | 'job'
  | 'group'
  /** A path on the buildlet that the first operand names. */
  | 'remote'
  | 'remote-directory'
  | 'file'
  | 'directory'
  /** A file here, or NAME:PATH. */
  | 'copy'
  /** Nothing that is known. */
  | 'none';

/** Where a name means the same for every command. */
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

/** Of the arguments that follow a verb. */
const ofVerb: Readonly<Record<string, Readonly<Record<string, ValueKind>>>> = {
  group: { destroy: 'group', add: 'buildlet', remove: 'buildlet' },
};

/** `first`: the command's first operand. */
export const kindOfArgument = (command: string, argument: string, first = ''): ValueKind => {
  const verbs = ofVerb[command];
  if (verbs !== undefined) return verbs[first] ?? 'none';
  return ofCommand[command]?.[argument] ?? argumentKinds[argument] ?? 'none';
};

/** By the long name of the option. */
const optionKinds: Readonly<Record<string, ValueKind>> = {
  '--backend': 'backend',
  '--builderenv': 'type',
  '--dir': 'remote-directory',
  '--dest': 'remote-directory',
  '--env-file': 'file',
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
  '--status-json': 'file',
  '--timing-json': 'file',
  '--token-file': 'file',
  '--verify': 'file',
};

export const kindOfOption = (long: string | undefined): ValueKind =>
  optionKinds[long ?? ''] ?? 'none';

/** Values that an option takes and commander does not know as choices. */
export const optionWords: Readonly<Record<string, readonly string[]>> = {
  '--compress': ['auto', 'gzip', 'zstd', 'none'],
  '--on-hangup': ['kill', 'detach'],
  '--stream': ['stdout', 'stderr'],
};
