const units = ['', 'k', 'm', 'g', 't'];

/** Parses a size such as `512m`, `4g` or `1.5GiB` into bytes, with the units of docker and Kubernetes; undefined when it is not a size. */
export function parseMemory(text: string): number | undefined {
  const [, digits, unit = ''] =
    /^([0-9]{1,15}(?:\.[0-9]{1,6})?)([kmgt]?)(?:i?b?)$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const sizeBytes = Math.floor(Number(digits) * 1024 ** units.indexOf(unit.toLowerCase()));
  return sizeBytes > 0 && Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}
