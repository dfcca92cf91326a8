// Suggests the known name that is nearest to a mistyped one.

/** A hint such as `did you mean "local"?` if one of the candidates is near enough to the word; else undefined. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const meant = nearest(word, candidates);
  return meant === undefined ? undefined : `did you mean "${meant}"?`;
}

/** The candidate with the fewest typing errors to the word, at most a third of its length; of equals the first. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const typed = word.toLowerCase();
  let best: string | undefined;
  let fewest = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= fewest) continue;
    const errors = distance(typed, candidate.toLowerCase());
    if (errors < fewest && errors < word.length) [best, fewest] = [candidate, errors];
  }
  return best;
}

/** How many letters are wrong, missing, too many or swapped with their neighbour. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const differs = a[i - 1] === b[j - 1] ? 0 : 1;
      let errors = Math.min(
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (above[j - 1] ?? 0) + differs,
      );
      const isSwapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (i > 1 && j > 1 && isSwapped) errors = Math.min(errors, (before[j - 2] ?? 0) + 1);
      row.push(errors);
    }
    [before, above] = [above, row];
  }
  return above[b.length] ?? 0;
}
