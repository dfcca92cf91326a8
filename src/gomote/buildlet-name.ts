// Names of buildlets as they are typed.
import { isAdHocHost } from '../backends/ssh/ad-hoc.ts';

/** `NAME` or `BACKEND/NAME`. The address of a host may have slashes of its own. */
export function splitName(name: string): { backend: string | undefined; instance: string } {
  const slash = isAdHocHost(name) ? name.lastIndexOf('/') : name.indexOf('/');
  return { backend: slash < 0 ? undefined : name.slice(0, slash), instance: name.slice(slash + 1) };
}

/** Whether it is no name but the address of a buildlet: `TYPE@HOST[:PORT]`. */
export const isAddress = (name: string): boolean => name.includes('@') && !isAdHocHost(name);
