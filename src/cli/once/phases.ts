// How long each phase took, for the report.

type PhaseName = 'create' | 'push' | 'setup' | 'run' | 'get' | 'shell' | 'keep' | 'destroy';

interface Phase {
  readonly phase: PhaseName;
  readonly durationMs: number;
  /** Whether the phase succeeded. For the command, see its exit status. */
  readonly ok: boolean;
}

export class Phases {
  readonly done: Phase[] = [];
  readonly #tell: (line: string) => void;

  /** @param tell Called with a description of what was done. */
  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  /** Does the work and records how long it took, even when it fails. */
  async during<T>(phase: PhaseName, work: () => Promise<T>): Promise<T> {
    const startedAtMs = performance.now();
    let ok = false;
    try {
      const result = await work();
      ok = true;
      return result;
    } finally {
      this.add({ phase, durationMs: performance.now() - startedAtMs, ok });
    }
  }

  add(given: Phase): void {
    const durationMs = Math.round(given.durationMs);
    this.done.push({ ...given, durationMs });
    const { phase, ok } = given;
    this.#tell(`${phase}: ${ok ? 'done' : 'failed'} in ${(durationMs / 1_000).toFixed(2)} s`);
  }
}
