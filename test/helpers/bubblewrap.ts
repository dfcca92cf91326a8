// bubblewrap, which confines commands.
import type { Confinement } from '../../src/buildlet/confinement.ts';
import { hasTool } from './tools.ts';

export const hasBubblewrap = hasTool('bwrap', '--unshare-user', '--ro-bind', '/', '/', 'true');

/** A sandbox as it is by default, with changes. */
export const sandboxed = (changes: Partial<Confinement> = {}): Confinement => ({
  isolation: 'bubblewrap',
  network: 'host',
  firewall: 'run',
  hasOwnUser: false,
  readOnly: [],
  writable: [],
  limits: {},
  ...changes,
});
