// A cache of a coordinator's builder types, so that commands need not ask for them.
import { readFileSync } from 'node:fs';
import type { BuilderType, Catalogue } from '../../builders.ts';

const nothing: Catalogue = { hosts: [], builders: [] };

/** The types in the file; none when it is missing or unreadable. */
export function readKnownTypes(path: string | undefined): Catalogue {
  if (path === undefined) return nothing;
  try {
    const { hosts, builders }: Partial<Catalogue> = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(hosts) && Array.isArray(builders) ? { hosts, builders } : nothing;
  } catch {
    return nothing;
  }
}

/** Stores the types, if possible: without the file they are requested again. */
export async function writeKnownTypes(
  path: string | undefined,
  catalogue: Catalogue,
): Promise<void> {
  if (path === undefined) return;
  const { writeWhole } = await import('../../files/write-whole.ts');
  // The configuration directory may be read-only or missing.
  await writeWhole(path, JSON.stringify(catalogue)).catch(() => undefined);
}

/** The types with this one replacing the one of its name; the same object if nothing has changed. */
export function withType(catalogue: Catalogue, builder: BuilderType): Catalogue {
  const same = catalogue.builders.find(({ name }) => name === builder.name);
  if (same !== undefined && JSON.stringify(same) === JSON.stringify(builder)) return catalogue;
  const others = catalogue.builders.filter(({ name }) => name !== builder.name);
  return { ...catalogue, builders: [...others, builder] };
}
