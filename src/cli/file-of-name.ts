// A buildlet's name as the name of a file: `/` and `@` as %2F and %40.

export function fileOfName(name: string): string {
  const encoded = encodeURIComponent(name.toWellFormed());
  return encoded.startsWith('.') ? `%2E${encoded.slice(1)}` : encoded;
}

export function nameOfFile(file: string): string {
  try {
    return decodeURIComponent(file);
  } catch {
    return file;
  }
}
