import type { LedgerRow, PositionRow } from '../../src/database/dialect.ts'
import { formatRange, type OffsetRange } from '../../src/model/offset-range.ts'
import { topicPartitionKey } from '../../src/model/topic-partition.ts'
import type { SimulatedConnection } from './connection.ts'
import type { CommitWatcher } from './database.ts'
import type { SimulatedLog } from './log.ts'
import type { Effects, State } from './state.ts'
import { addRange, differences, poisonOf, type Totals } from './totals.ts'

/** So many are kept: the first ones tell the most. */
const MAX_VIOLATIONS = 20

/**
 * Looks at every transaction at the moment of its COMMIT, so that a failover which comes later hides nothing: what it
 * adds to the table is what its ranges hold; it is made under the newest claim, by whoever has made that; and what a
 * process says of itself is so.
 */
export class Watcher implements CommitWatcher {
  readonly violations: string[] = []
  readonly #log: SimulatedLog
  /** Who has made a claim, by its id. */
  readonly #claimants = new Map<string, string>()
  /** Batches by id and partition, also those that were lost later. */
  readonly #committed = new Set<string>()
  readonly #newestClaimant = new Map<string, string>()
  /** Everybody who has claimed a partition, by partition. */
  readonly #everClaimed = new Map<string, Set<string>>()
  /** Who has committed each partition's latest batch, while nobody else has claimed it since. */
  readonly #latest = new Map<string, { readonly host: string; readonly batch: string; isKnown: boolean }>()
  /** Partitions that a process has let go of and not claimed since, by process. */
  readonly #letGo = new Map<string, Set<string>>()
  /** Claims made over a connection. */
  readonly #overConnection = new WeakMap<SimulatedConnection, Set<string>>()
  readonly #newestGrant = new Map<string, { readonly grant: number; readonly host: string }>()
  /** Where processes share the job: by which grant of the group, counted from 1, a process claims a partition. */
  grantOf: ((host: string, key: string) => number) | null = null
  /** Whether ranges commit one by one: they are then claimed again one by one, over a connection that holds the others. */
  claimsOneByOne = false
  /** Whether a process commits, under the claim of an earlier one, what that one has left behind in files. */
  takesUp = false
  batches = 0
  unknown = 0
  fenced = 0
  claims = 0
  hasRewound = false

  constructor(log: SimulatedLog) {
    this.#log = log
  }

  report(violation: string): void {
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push(violation)
  }

  committing(connection: SimulatedConnection, effects: Effects, before: State): void {
    const { host } = connection
    for (const row of effects.claimed) this.#claimed(connection, row, before)
    const expected: Totals = new Map()
    const poison: string[] = []
    for (const { from, to } of effects.advanced) {
      const range = { ...from, from: from.nextOffset, until: to.nextOffset }
      this.#advanced(host.name, range, to, before)
      addRange(expected, this.#log, range)
      if (this.#log.hasPoison)
        poison.push(...poisonOf(this.#log, range).map((offset) => `${topicPartitionKey(range)}@${offset}`))
    }
    if (effects.advanced.length > 0) this.batches += 1
    this.#ledger(host.name, effects)
    const name = () =>
      `the transaction of ${host.name} over ${effects.advanced.map(({ from, to }) => rangeText(from, to)).join(' ')}`
    for (const difference of differences(expected, effects.merged))
      this.report(`${name()} adds other rows than its ranges hold: ${difference}`)
    const letters = effects.deadLetters.map(({ letter }) => `${topicPartitionKey(letter)}@${letter.offset}`)
    if (poison.length + letters.length > 0 && poison.sort().join() !== letters.sort().join())
      this.report(`${name()} sets aside ${letters.join() || 'nothing'}, not ${poison.join() || 'nothing'}`)
    host.note(
      () =>
        `COMMITTED ${[
          ...effects.claimed.map(
            (row) => `claim of ${topicPartitionKey(row)} epoch ${row.epoch} ${shortId(row.claimId)}`,
          ),
          ...effects.advanced.map(({ from, to }) => `${rangeText(from, to)} epoch ${to.epoch}`),
        ].join(', ')}`,
    )
  }

  rewound(): void {
    this.hasRewound = true
    this.#latest.clear()
  }

  /** A process says that it owns partitions. */
  says(host: string, claimIds: readonly string[]): void {
    for (const id of claimIds) {
      if (!this.#claimants.has(id))
        this.report(`${host} uses claim ${shortId(id)}, which was never committed`)
    }
  }

  /** A process says that a batch is durable. */
  announces(host: string, batchId: string, ranges: readonly OffsetRange[]): void {
    for (const range of ranges) {
      const batch = `${batchId} ${formatRange(range)}`
      const latest = this.#latest.get(topicPartitionKey(range))
      if (latest?.batch === batch) latest.isKnown = true
      if (!this.#committed.has(batch))
        this.report(`${host} says that ${formatRange(range)} has committed, which never did`)
    }
  }

  /** A process says that partitions are not its own any more. */
  letsGo(host: string, keys: readonly string[]): void {
    const letGo = this.#letGo.get(host) ?? new Set()
    this.#letGo.set(host, letGo)
    for (const key of keys) {
      letGo.add(key)
      if (this.#latest.get(key)?.host === host) this.#latest.delete(key)
    }
  }

  /** Whether anybody else has claimed one of the partitions after this process, so that it has reason to give up. */
  wasReplaced(host: string): boolean {
    return this.hasRewound || [...this.#newestClaimant.values()].some((name) => name !== host)
  }

  #claimed(connection: SimulatedConnection, row: PositionRow, before: State): void {
    const host = connection.host.name
    this.claims += 1
    const key = topicPartitionKey(row)
    this.#mayClaim(connection, key, before.positions.get(key)?.claimId ?? '')
    if (this.grantOf === null) this.#mayTakeBack(host, key)
    const made = this.#overConnection.get(connection) ?? new Set()
    this.#overConnection.set(connection, made.add(row.claimId ?? ''))
    this.#claimants.set(row.claimId ?? '', host)
    this.#newestClaimant.set(key, host)
    this.#letGo.get(host)?.delete(key)
    if (this.#latest.get(key)?.host !== host) this.#latest.delete(key)
    const was = before.positions.get(key)
    // A first claim writes its starting position in the same transaction.
    if (was && (was.epoch + 1n !== row.epoch || was.nextOffset !== row.nextOffset))
      this.report(`the claim of ${key} by ${host} changes more than epoch and claim id`)
  }

  /** Where nobody hands partitions out: who has claimed one, and has lost it to another claim, does not take it back. */
  #mayTakeBack(host: string, key: string): void {
    const claimants = this.#everClaimed.get(key) ?? new Set()
    this.#everClaimed.set(key, claimants)
    const newest = this.#newestClaimant.get(key)
    if (claimants.has(host) && newest !== host && !this.hasRewound)
      this.report(`${host} has claimed ${key} again, which ${newest} has claimed since`)
    claimants.add(host)
  }

  /** No claim rests on an older grant than one that was made before it: that would fence the rightful owner. */
  #mayClaim(connection: SimulatedConnection, key: string, previousId: string): void {
    const host = connection.host.name
    const grant = this.grantOf?.(host, key) ?? 0
    const newest = this.#newestGrant.get(key)
    if (!newest || grant >= newest.grant) this.#newestGrant.set(key, { grant, host })
    // Whoever holds it and has its connection has no reason to claim it again: it would fence its own batch in flight.
    const hasLetGo = this.#letGo.get(host)?.has(key) ?? false
    const holds = !this.claimsOneByOne && !hasLetGo && this.#overConnection.get(connection)?.has(previousId)
    if (holds && grant === (newest?.grant ?? 0))
      this.report(`${host} has claimed ${key} again, which it holds`)
    // A database that has lost claims does not tell them any more. Who has let go, and is the last who has claimed, fences nobody.
    if (newest && newest.host !== host && grant < newest.grant && !this.hasRewound)
      this.report(`${host} has claimed ${key} by grant ${grant} after grant ${newest.grant}`)
  }

  #advanced(host: string, range: OffsetRange, to: PositionRow, before: State): void {
    const row = before.positions.get(topicPartitionKey(range))
    const what = () => `${host} commits ${formatRange(range)}`
    if (row?.nextOffset !== range.from)
      this.report(`${what()}, and the position was ${row?.nextOffset ?? 'nowhere'}`)
    if (row?.claimId !== to.claimId || row?.epoch !== to.epoch)
      this.report(`${what()} under a claim that is not the newest: a fenced owner has committed`)
    const claimant = this.#claimants.get(to.claimId ?? '')
    if (claimant !== host && !this.takesUp) this.report(`${what()} under a claim of ${claimant ?? 'nobody'}`)
  }

  #ledger(host: string, effects: Effects): void {
    const batches = effects.ledger.filter(({ kind }) => kind === 'batch')
    for (const row of batches) {
      const batch = `${row.batchId} ${formatRange(rangeOfRow(row))}`
      this.#committed.add(batch)
      const key = topicPartitionKey(row)
      const latest = this.#latest.get(key)
      // Who goes on with a partition knows what became of its batches before.
      if (latest?.host === host && !latest.isKnown && !this.takesUp)
        this.report(`${host} commits ${batch}, and never said that ${latest.batch} had committed`)
      // A COMMIT that comes late, after its process has let go of the partition, is nobody's to tell of.
      const isKnown = this.#letGo.get(host)?.has(key) ?? false
      this.#latest.set(key, { host, batch, isKnown })
    }
    const written = batches.map((row) => formatRange(rangeOfRow(row))).sort()
    const moved = effects.advanced
      .map(({ from, to }) => formatRange({ ...from, from: from.nextOffset, until: to.nextOffset }))
      .sort()
    if (written.join() !== moved.join())
      this.report(
        `${host} writes ${written.join() || 'nothing'} to the ledger and moves ${moved.join() || 'nothing'}`,
      )
  }
}

function rangeOfRow({ topic, partition, fromOffset: from, untilOffset: until }: LedgerRow): OffsetRange {
  return { topic, partition, from, until }
}

function rangeText(from: PositionRow, to: PositionRow): string {
  return `${topicPartitionKey(from)} ${from.nextOffset} -> ${to.nextOffset}`
}

function shortId(id: string | null): string {
  return id === null ? 'none' : id.slice(0, 8)
}
