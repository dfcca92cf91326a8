// The buildlet as a program: options in, exit code out.
import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { isGomoteError, messageAndHint, messageOf } from '../errors.ts';
import { makePrivateDirectory } from '../files/private-directory.ts';
import { removeTree } from '../files/remove-tree.ts';
import { temporaryDirectory, userDirectory } from '../files/user-directories.ts';
import { isLoopback, type ListenAddress } from '../http/server/listen.ts';
import type { TlsIdentity } from '../http/server/server.ts';
import { readVersion } from '../package-root.ts';
import { buildletFeatures, holdFeature } from '../protocol/features.ts';
import { handledSignals, type StartState } from '../start-state.ts';
import { type Agent, startAgent } from './agent.ts';
import { cleanEnvironment, inheritedEnvironment } from './command/environment.ts';
import { closeInheritedDescriptors, forgetVariables } from './command/inherited.ts';
import { type BuildletOptions, helpText, readOptions } from './options.ts';
import { becomeUser } from './own-user.ts';
import type { ReverseConnection, ReverseOptions } from './reverse.ts';

/** Runs a buildlet until it is asked to end. Returns the process's exit code. */
export async function run(argv: readonly string[], state?: StartState): Promise<number> {
  closeInheritedDescriptors();
  // The reader of our output may be gone; that is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    const options = await readOptions(argv, process.env);
    if (!forgetVariables('META_')) {
      log('warning: commands can read the META_* variables of this process; use --password-file');
    }
    if (options === 'help') process.stdout.write(helpText);
    else if (options === 'version') process.stdout.write(`${readVersion()}\n`);
    else return await serve(options, state);
    return 0;
  } catch (error) {
    log(messageAndHint(error));
    return isGomoteError(error, 'ERR_USAGE') ? 2 : 1;
  }
}

/** Returns the exit code. */
async function serve(options: BuildletOptions, state: StartState | undefined): Promise<number> {
  const removed = [...options.removeAtEnd];
  try {
    logUnhandled();
    const caches = await allCaches(options);
    // Its client sees that the machine has ended, and need not wait for an answer.
    if (caches === undefined) return options.powerOff ? await powerOff().then(() => 1) : 1;
    const wanted = options.address ?? (await privateSocket(removed));
    const address =
      options.userId === undefined ? wanted : await becomeUser(options.userId, wanted);
    const environmentOf = options.inheritEnv ? inheritedEnvironment : cleanEnvironment;
    const environment = environmentOf(process.env);
    // Sessions on a machine that dials in are held by its coordinator.
    const features = options.reverse && buildletFeatures.filter((one) => one !== holdFeature);
    const tls = options.isSelfSigned ? await ownCertificate(address) : options.tls;
    const agent = await startAgent({
      ...options,
      caches,
      tls,
      address,
      environment,
      features,
      log,
    });
    let offered: ReverseConnection | undefined;
    let reason = 'it failed';
    try {
      if (options.isPasswordMade) {
        log(`the password is ${options.password}; --password-file FILE sets another`);
      }
      if (options.password === undefined && address.kind === 'tcp') {
        log('warning: without a password whoever reaches this address can run anything here');
      } else if (tls === undefined && !isLoopback(address)) {
        log('warning: the password and all data cross the network without TLS');
      }
      const signaled = nextSignal(state);
      process.stdout.write(`${agent.address}\n`);
      if (options.reverse !== undefined) offered = await offer(options.reverse, agent);
      reason = await Promise.race([agent.ending, signaled]);
      log(`ending: ${reason}`);
    } finally {
      // No new requests from the coordinator, but running ones can still send their replies.
      await Promise.all([offered?.close(`it is ending: ${reason}`), agent.close()]);
    }
  } finally {
    for (const directory of removed) await removeTree(directory);
  }
  if (options.powerOff) await powerOff();
  return 0;
}

/** Undefined: some cannot be mounted, which was logged. */
async function allCaches({ caches = [], cacheDisks }: BuildletOptions) {
  if (cacheDisks === undefined) return caches;
  try {
    const { mountCacheDisks } = await import('./cache-disks.ts');
    return [...caches, ...(await mountCacheDisks(cacheDisks))];
  } catch (error) {
    log(messageAndHint(error));
    return undefined;
  }
}

/** An unhandled rejection is a bug in this program: it is logged with its stack, and ends no command. */
function logUnhandled(): void {
  let count = 0;
  process.on('unhandledRejection', (reason) => {
    const what = reason instanceof Error ? reason.stack : undefined;
    log(`unhandled failure ${++count}: ${what ?? messageOf(reason)}`);
  });
}

/** Offers the buildlet to a coordinator. */
async function offer(options: ReverseOptions, agent: Agent): Promise<ReverseConnection> {
  const { connectReverse } = await import('./reverse.ts');
  return connectReverse(options, { onConnection: agent.serve, log });
}

/** Kept for the next start: a new certificate would lock out clients that have pinned it. */
async function ownCertificate(listen: ListenAddress): Promise<TlsIdentity> {
  const state = userDirectory(process.env, 'XDG_STATE_HOME', '.local', 'state');
  const directory = join(state, 'gomote-tls');
  makePrivateDirectory(directory, 'the directory of the certificate', 'set XDG_STATE_HOME');
  const { keptCertificate } = await import('../http/server/new-certificate.ts');
  const tls = await keptCertificate({
    ...{ commonName: 'gomote buildlet', listen },
    certPath: join(directory, 'cert.pem'),
    keyPath: join(directory, 'key.pem'),
  });
  const { fingerprintOf } = await import('../http/client/pin.ts');
  log(`the fingerprint of the certificate is sha256:${fingerprintOf(tls.certPem)}`);
  return tls;
}

async function privateSocket(removed: string[]): Promise<ListenAddress> {
  const directory = await mkdtemp(join(temporaryDirectory(process.env), 'buildlet-'));
  removed.push(directory);
  return { kind: 'unix', path: join(directory, 'socket') };
}

const nextSignal = (state: StartState | undefined): Promise<string> =>
  new Promise((resolve) => {
    for (const name of handledSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], state)) {
      process.on(name, () => resolve(`it got ${name}`));
    }
  });

function powerOff(): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('shutdown', ['-h', 'now'], (error) => {
      if (error === null) resolve();
      else reject(new Error(`cannot power off: ${messageOf(error)}`, { cause: error }));
    });
  });
}

/** Messages go to standard error, which the process that started the buildlet may have closed. */
function log(line: string): void {
  process.stderr.write(`buildlet: ${line}\n`);
}
