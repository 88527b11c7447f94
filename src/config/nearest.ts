/**
 * The name among `candidates` that somebody who wrote `word` most likely meant; undefined when none is near.
 * Near: at most a third of its letters are wrong (one for short words, three at most), where swapping two
 * neighbours counts once, and upper case, `-` and `_` make no difference.
 */
export function suggestion(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(word);
  // Long garbage is near nothing, and the table of distances would grow with it.
  if (wanted.length > 128) return undefined;
  let best: { readonly name: string; readonly far: number } | undefined;
  for (const name of candidates) {
    const other = plain(name);
    const most = Math.min(3, Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3)));
    if (name === word || Math.abs(other.length - wanted.length) > most) continue;
    const far = distance(wanted, other);
    // A word of which nothing is left is not a typing mistake.
    if (far > most || far >= Math.min(wanted.length, other.length)) continue;
    if (best === undefined || far < best.far) best = { name, far };
  }
  return best?.name;
}

/** `did you mean "NAME"?`, or undefined when nothing is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const near = suggestion(word, candidates);
  return near === undefined ? undefined : `did you mean "${near}"?`;
}

/** How many letters must be inserted, left out, replaced or swapped with their neighbour (Damerau-Levenshtein, restricted). */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      row.push(least);
    }
    before = above;
    above = row;
  }
  return above[b.length] ?? 0;
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll('-', '_');
}
