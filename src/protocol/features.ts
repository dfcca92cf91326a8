// What a buildlet can do beyond the base protocol: announced in `/status`, used only when announced.

/** The extensions that ours has; docs/protocol.md has a section on each. */
export const buildletFeatures: readonly string[] = ['session'];
