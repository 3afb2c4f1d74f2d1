/**
 * Shares `total` out: everybody gets the same, and what one does not need goes to the others. Where there is less to
 * give than there are takers, `turn` says who is served first.
 * @param available what each could take at most
 * @returns what each gets, in the order given
 */
export function shareFairly(available: readonly number[], total: number, turn: number): number[] {
  const shares = available.map(() => 0)
  const takers = [...available.keys()].filter((i) => (available[i] ?? 0) > 0)
  const first = takers.length === 0 ? 0 : turn % takers.length
  const rotated = [...takers.slice(first), ...takers.slice(0, first)]
  // Those who need least first: whatever they leave of an equal part goes to those who need more.
  if (total >= rotated.length) rotated.sort((a, b) => (available[a] ?? 0) - (available[b] ?? 0))
  let left = total
  for (const [index, taker] of rotated.entries()) {
    const share = Math.min(available[taker] ?? 0, Math.ceil(left / (rotated.length - index)))
    shares[taker] = share
    left -= share
  }
  return shares
}
