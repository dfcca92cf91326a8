// How `coordinator` commands on this machine reach the coordinator that runs: its address and a token, in its state directory.
import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { CoordinatorClient } from '../../client/coordinator-client.ts';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { readSecretFile } from '../../files/private-file.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { fingerprintDigits } from '../../fingerprint.ts';

/** The user of HTTP Basic whose password is the token: an admin without a record. */
export const operatorName = 'operator';

const schema = v.object({
  url: v.string(),
  fingerprint: v.optional(v.string()),
  token: v.string(),
});

const accessPath = (directory: string): string => join(directory, 'operator.json');

export class OperatorAccess {
  readonly token = randomBytes(32).toString('base64url');
  readonly #path: string;

  constructor(directory: string) {
    this.#path = accessPath(directory);
  }

  /** Accepts everybody who can read the state directory: they could also make themselves admins. */
  async open(url: string, fingerprint: string | undefined): Promise<void> {
    const access = { url: reachable(url), fingerprint, token: this.token };
    await writeWhole(this.#path, `${JSON.stringify(access)}\n`);
  }

  async close(): Promise<void> {
    // Another coordinator may have taken the directory over.
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    if (text.includes(this.token)) await rm(this.#path, { force: true });
  }
}

/** Every address of this machine is also its own. */
const reachable = (url: string): string =>
  url
    .replace(/^(https?:\/\/)(0\.0\.0\.0)?(?=:[0-9]+$)/, '$1127.0.0.1')
    .replace('//[::]:', '//[::1]:');

/** A client of the coordinator that runs on the state directory; throws ERR_CONNECT when none does. */
export function operatorClient(directory: string): CoordinatorClient {
  try {
    const { url, fingerprint, token } = v.parse(
      schema,
      JSON.parse(readSecretFile(accessPath(directory))),
    );
    const digits = fingerprint && fingerprintDigits(fingerprint);
    return new CoordinatorClient({
      auth: { username: operatorName, password: token },
      instance: url.startsWith('unix:')
        ? { kind: 'unix', path: url.slice('unix:'.length) }
        : { kind: 'tcp', origin: url, fingerprint: digits },
    });
  } catch (error) {
    const isAbsent = errnoOf(error) === 'ENOENT';
    const why = isAbsent ? 'nothing runs there' : messageOf(error);
    throw new GomoteError('ERR_CONNECT', `no coordinator serves from ${directory}: ${why}`, {
      hint: 'start it, and run this command on its machine',
      cause: error,
    });
  }
}
