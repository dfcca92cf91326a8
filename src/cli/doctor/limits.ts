// Checks what would limit the commands of local buildlets.
import { applyLimits } from '../../buildlet/limits.ts';
import type { EnforcedLimit } from '../../protocol/limits.ts';
import { type Finding, ok, warning } from './finding.ts';

const words: Record<EnforcedLimit['by'], string> = {
  cgroup: 'by a control group',
  process: 'for each process only (prlimit)',
  nothing: 'by nothing',
};

/** Tries it as a buildlet does, whose control group is removed at once. No process enters it. */
export function checkLimits(
  root?: string,
  platform: NodeJS.Platform = process.platform,
): Finding[] {
  if (platform !== 'linux') return [];
  const check = 'limits of local buildlets';
  const open = enforcedFor('everybody', root);
  const confined = enforcedFor('nobody', root);
  const parts = open.map(({ resource, by }, i) => {
    const inSandbox = confined[i]?.by ?? by;
    return `${resource} ${words[by]}${inSandbox === by ? '' : `, in a sandbox ${words[inSandbox]}`}`;
  });
  const message = parts.join('; ');
  if (open.every(({ by }) => by === 'cgroup')) return [ok(check, message)];
  const cure =
    'to have them enforced, create buildlets where your user may make a control group: systemd-run --user --scope -p Delegate=yes gomote create …';
  return [warning(check, message, cure)];
}

/** The values do not matter: nothing runs under them. */
function enforcedFor(
  whose: 'everybody' | 'nobody',
  root: string | undefined,
): readonly EnforcedLimit[] {
  const applied = applyLimits({ memoryBytes: 1 << 30, cpus: 1, pids: 1000 }, { whose, root });
  applied.release();
  return applied.enforced;
}
