// What a directory passes on to the entries that are made in it.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';

const setgidBit = 0o2000;

/** Whether new entries in it get its group or a default ACL. Node cannot read ACLs; `ls` marks them with "+" after the mode. */
export function passesOn(directory: string): boolean {
  if ((statSync(directory).mode & setgidBit) !== 0) return true;
  const { stdout, status } = spawnSync('ls', ['-ld', directory], { encoding: 'latin1' });
  return status === 0 && stdout[10] === '+';
}
