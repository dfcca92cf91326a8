// Parses names of buildlets as typed.
import { isAdHocHost } from '../backends/ssh/ad-hoc.ts';

/** Splits `NAME` or `BACKEND/NAME`. The address of a host may contain slashes. */
export function splitName(name: string): { backend: string | undefined; instance: string } {
  const slash = isAdHocHost(name) ? name.lastIndexOf('/') : name.indexOf('/');
  return { backend: slash < 0 ? undefined : name.slice(0, slash), instance: name.slice(slash + 1) };
}

/** Whether it is the address of a buildlet, `TYPE@HOST[:PORT]`, instead of a name. */
export const isAddress = (name: string): boolean => name.includes('@') && !isAdHocHost(name);
