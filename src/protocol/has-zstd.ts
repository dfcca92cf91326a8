// Whether this Node can be trusted with zstd: from 22.15 on it has it, but only from 24.20 and 26.6 on it sees that a frame
// is cut; before, what is missing counts as the end.

/** Whether a Node of these versions has zstd whose cuts it sees. */
export function seesCutsOfZstd(versions: NodeJS.ProcessVersions): boolean {
  const [major = 0, minor = 0] = versions.node.split('.').map(Number);
  const isMended = (major === 24 && minor >= 20) || (major === 26 && minor >= 6) || major > 26;
  return 'zstd' in versions && isMended;
}

export const hasZstd: boolean = seesCutsOfZstd(process.versions);
