// Formats a number of bytes for people.

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Three digits and a unit: `512 B`, `1.25 MB`. */
export function formatBytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const text = unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toPrecision(3);
  return `${text} ${units[unit]}`;
}
