// Merges a user's pod template into the generated pod.

export type Tree = Readonly<Record<string, unknown>>;
const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Merges `over` into `base`: objects key by key, lists of named objects by name, everything else is replaced. */
export function merged(base: Tree, over: Tree): Tree {
  // A key may even be `__proto__`.
  const result = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    const below = result.get(key);
    if (isTree(below) && isTree(value)) result.set(key, merged(below, value));
    else if (Array.isArray(below) && Array.isArray(value))
      result.set(key, mergedLists(below, value));
    else result.set(key, value);
  }
  return Object.fromEntries(result);
}

function mergedLists(base: readonly unknown[], over: readonly unknown[]): unknown[] {
  const nameOf = (item: unknown) => (isTree(item) ? item.name : undefined);
  const isNamed = [...base, ...over].every((item) => typeof nameOf(item) === 'string');
  if (!isNamed) return [...over];
  const laid = base.map((item) => {
    const other = over.find((candidate) => nameOf(candidate) === nameOf(item));
    return isTree(item) && isTree(other) ? merged(item, other) : item;
  });
  const known = new Set(base.map(nameOf));
  return [...laid, ...over.filter((item) => !known.has(nameOf(item)))];
}
