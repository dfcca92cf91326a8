// Runs commands with the confinement that the buildlet was started with.
import { isAbsolute, join } from 'node:path';
import type { ConfinementStatus } from '../protocol/status.ts';
import { type CachePlace, linkCaches } from './caches.ts';
import { firewallOnce, namespaceOnce } from './command/closed-network.ts';
import type { CommandNetwork } from './command/command.ts';
import { type Commands, OpenCommands } from './command/commands.ts';
import { baseEnvironment } from './command/environment.ts';
import type { PipeStock } from './command/output-pipe.ts';
import type { Confinement } from './confinement.ts';
import { type AppliedLimits, applyLimits, countMemoryKills } from './limits.ts';

interface CommandsOptions {
  readonly workDir: string;
  /** The environment of every command, before the buildlet's variables. */
  readonly environment: NodeJS.ProcessEnv;
  readonly confinement?: Confinement | undefined;
  readonly caches?: readonly CachePlace[] | undefined;
  /** The buildlet's own directory. */
  readonly scratch: string;
  readonly pipes: PipeStock;
}

interface OpenedCommands {
  readonly commands: Commands;
  /** Directories of commands beside the work directory. */
  readonly emptied: readonly string[];
  /** Makes links again that were removed. */
  link(): void;
  /** Resolves when commands can be started. */
  readonly ready: Promise<void>;
  readonly status: ConfinementStatus;
  /** How many processes the kernel has killed for lack of memory, where it reports that. */
  countMemoryKills(): number | undefined;
  /** To be called when all commands have ended. */
  release(): void;
}

const noConfinement: Confinement = {
  isolation: 'none',
  network: 'host',
  firewall: 'run',
  hasOwnUser: false,
  readOnly: [],
  writable: [],
  limits: {},
};

export async function openCommands(options: CommandsOptions): Promise<OpenedCommands> {
  const { confinement = noConfinement } = options;
  const { isolation, network, hasOwnUser } = confinement;
  const whose = isolation === 'bubblewrap' ? 'nobody' : hasOwnUser ? 'buildlet' : 'everybody';
  const isUnlimited = Object.values(confinement.limits).every((limit) => limit === undefined);
  const applied = isUnlimited ? undefined : applyLimits(confinement.limits, { whose });
  const opened =
    isolation === 'bubblewrap'
      ? await inSandbox(options, confinement, applied)
      : unconfined(options, confinement, applied);
  return {
    ...opened,
    status: { isolation, network, limits: applied?.enforced ?? [] },
    countMemoryKills: () => applied?.countMemoryKills() ?? countMemoryKills(),
    release: () => applied?.release(),
  };
}

function unconfined(
  { workDir, environment, scratch, pipes, caches = [] }: CommandsOptions,
  confinement: Confinement,
  applied: AppliedLimits | undefined,
) {
  const temporary = join(scratch, 'tmp');
  const link = () => linkCaches(caches, { workDir, home: environment.HOME });
  link();
  const commands = new OpenCommands({
    workDir,
    environment: baseEnvironment(environment, workDir, temporary),
    prefix: applied && [
      ...(applied.runGroups === undefined ? applied.enterGroup : []),
      ...applied.limitProcess,
    ],
    groups: applied?.runGroups?.make,
    network: networkOf(confinement),
    pipes,
  });
  return { commands, emptied: [temporary], link, ready: Promise.resolve() };
}

const networkOf = ({ network, firewall }: Confinement): CommandNetwork => ({
  close: firewall === 'machine' ? firewallOnce() : namespaceOnce(),
  isClosed: network === 'none',
});

async function inSandbox(
  { workDir, environment, scratch, pipes, caches = [] }: CommandsOptions,
  { network, readOnly, writable }: Confinement,
  applied: AppliedLimits | undefined,
) {
  const { SandboxedCommands } = await import('./sandbox/commands.ts');
  const { sandboxHome } = await import('./sandbox/bubblewrap.ts');
  const [temporary, home] = [join(scratch, 'tmp'), join(scratch, 'home')];
  const [bound, linked] = [caches.filter(isBound), caches.filter((cache) => !isBound(cache))];
  const link = () => linkCaches(linked, { workDir, home });
  link();
  const view = {
    ...{ workDir, temporary, home, pipes: pipes.directory, network, readOnly },
    // A link leads to where its directory is outside.
    writable: [...writable, ...linked.map(({ directory }) => directory)],
    caches: bound,
  };
  const setup = {
    workDir,
    environment: { ...baseEnvironment(environment, workDir, '/tmp'), HOME: sandboxHome },
    prefix: applied?.limitProcess ?? [],
  };
  const prefix = applied?.enterGroup ?? [];
  const commands = new SandboxedCommands({ view, setup, prefix }, pipes);
  const ready = commands.ready();
  // It is awaited after the rest is ready.
  ready.catch(() => undefined);
  return { commands, emptied: [temporary, home], link, ready };
}

/** At an absolute path, a sandbox shows the directory itself. */
const isBound = ({ path }: CachePlace): boolean => isAbsolute(path);
