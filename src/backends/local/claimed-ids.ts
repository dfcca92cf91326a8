// Which buildlet of this machine has which user id, where several coordinators may have been given the same ids.
//
// A claim is a symbolic link from the id to the buildlet's directory: it is made in one step, and is void once that
// directory is gone, however its coordinator ended. Only root can make one.
import { existsSync, readdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { withFileLock } from '../../files/file-lock.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';

/** The system empties it when it starts. */
export const claimsDirectory = '/run/gomote-uids';

/** Makes the directory of claims. Throws ERR_CONFIG where that is impossible. */
export function makeClaimsDirectory(): void {
  makePrivateDirectory(
    claimsDirectory,
    'the directory of user ids in use',
    'leave out uids, or let the coordinator write there',
  );
}

/** Claims an id for a buildlet, whose directory exists. Returns false when another one has it. */
export function claimId(id: number, directory: string): boolean {
  try {
    symlinkSync(directory, pathOf(id));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Gives back an id that this process has claimed. */
export const releaseId = (id: number): void => unlinkSync(pathOf(id));

/** The ids of buildlets that exist, of all coordinators. */
export const claimedIds = (): number[] => claims().filter((id) => existsSync(pathOf(id)));

/** Removes claims of buildlets that are gone. */
export async function removeVoidClaims(): Promise<void> {
  makeClaimsDirectory();
  // Two at once could remove a claim that was made in between.
  await withFileLock(claimsDirectory, async () => {
    for (const id of claims()) if (!existsSync(pathOf(id))) unlinkSync(pathOf(id));
  });
}

const claims = (): number[] =>
  existsSync(claimsDirectory)
    ? readdirSync(claimsDirectory)
        .filter((name) => /^[0-9]+$/.test(name))
        .map(Number)
    : [];

const pathOf = (id: number): string => join(claimsDirectory, String(id));
