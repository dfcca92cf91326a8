/** The name of a buildlet as the beginning of a file name: `BACKEND/NAME` and `TYPE@HOST` are written with escapes. */
export const localName = (name: string): string =>
  name.replaceAll(/[^A-Za-z0-9._-]|^\.+/g, encodeURIComponent);
