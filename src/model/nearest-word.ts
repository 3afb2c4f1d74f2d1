/** A word with more changes than this per its length is another word, not a misspelt one. */
const CHANGED_PART = 0.4

/**
 * The one of `known` that `word` was probably meant to be: with the fewest letters changed, added, left out or put in
 * another case; null where none is near.
 */
export function nearestWord(word: string, known: readonly string[]): string | null {
  let nearest: string | null = null
  let fewest = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const changes = distance(word.toLowerCase(), candidate.toLowerCase())
    if (changes >= fewest || changes > candidate.length * CHANGED_PART) continue
    nearest = candidate
    fewest = changes
  }
  return nearest
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    above = row
  }
  return above[b.length] ?? 0
}
