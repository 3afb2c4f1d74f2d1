/** What {@link brokenLinks} looks at of a position. */
export interface PositionEntry {
  readonly topic: string
  readonly partition: number
  readonly next_offset: string
  readonly seq: string
}

/** A ledger row, as it is in the table. */
export interface LedgerEntry {
  readonly topic: string
  readonly partition: number
  readonly epoch: string
  readonly kind: string
  readonly from_offset: string
  readonly until_offset: string
  readonly batch_id: string | null
  readonly records: string
  readonly reason: string | null
}

/**
 * Every place where a ledger row does not begin where the previous one of its partition ended, where the last one does
 * not end at the position, where `seq` does not count the batches, or where the epoch falls: an owner has committed
 * after another one's claim. Empty when the ledger is unbroken.
 * @param ledger each partition's rows in their order: the start, then the batches by offset
 */
export function brokenLinks(ledger: readonly LedgerEntry[], positions: readonly PositionEntry[]): string[] {
  const name = ({ topic, partition }: { topic: string; partition: number }) => `${topic}/${partition}`
  const names = new Set([...ledger.map(name), ...positions.map(name)])
  return [...names].flatMap((partition) => {
    const rows = ledger.filter((row) => name(row) === partition)
    const position = positions.find((row) => name(row) === partition)
    const links = rows.flatMap((row, i) => brokenLink(row, rows[i - 1]))
    const batches = rows.filter(({ kind }) => kind === 'batch').length
    if (rows.at(-1)?.until_offset !== position?.next_offset || String(batches) !== position?.seq) {
      links.push(
        `${batches} batches end at ${rows.at(-1)?.until_offset}, the position is ${position?.next_offset} after ${position?.seq}`,
      )
    }
    return links.map((link) => `${partition}: ${link}`)
  })
}

function brokenLink(row: LedgerEntry, previous: LedgerEntry | undefined): string[] {
  const shown = `${row.kind} [${row.from_offset}, ${row.until_offset}) of epoch ${row.epoch}`
  if (!previous) return row.kind === 'start' ? [] : [`begins with ${shown}`]
  const isLinked =
    row.kind !== 'start' &&
    row.from_offset === previous.until_offset &&
    BigInt(row.until_offset) > BigInt(row.from_offset) &&
    BigInt(row.epoch) >= BigInt(previous.epoch)
  return isLinked
    ? []
    : [`${shown} follows ${previous.kind} until ${previous.until_offset} of epoch ${previous.epoch}`]
}
