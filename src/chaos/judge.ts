import { rangeOf } from '../check/chain.ts'
import type { VerifyReport } from '../check/conclusion.ts'
import { differenceText } from '../check/report.ts'
import { BoundedList } from '../check/violation.ts'
import type { LedgerRow } from '../database/dialect.ts'
import { ExitCode } from '../errors.ts'
import { formatRange } from '../model/offset-range.ts'
import { type CheckResult, wrongRows } from './checks.ts'
import type { History } from './history.ts'
import type { UnexpectedEnd } from './life/lives.ts'
import type { ChaosOutcome, ChaosViolation } from './result.ts'

/** Faults so long before a commit may have to do with it, in milliseconds. */
const NEARBY_MS = 8_000
const MAX_NEARBY = 5

export interface Evidence {
  readonly history: History
  readonly unexpected: readonly UnexpectedEnd[]
  /** Batches whose commit some process knew of when the ledger was read. */
  readonly acknowledged: ReadonlySet<string>
  readonly verify: VerifyReport
  /** All of it. */
  readonly ledger: readonly LedgerRow[]
  readonly checks: readonly CheckResult[]
  /** Null where not everything was committed within the bound, which is then a violation. */
  readonly drainedAfterMs: number | null
  readonly drainMs: number
  /** Whether commits may have been lost that were acknowledged: after a failover to a replica that lagged. */
  readonly rewound: boolean
  /** What nemeses found that should have been otherwise. */
  readonly found: readonly { readonly class: string; readonly message: string }[]
  /** Ends of processes, after SIGTERM, that were not in order. */
  readonly badEnds: readonly string[]
}

export interface Judgement {
  readonly outcome: ChaosOutcome
  readonly exitCode: ExitCode
  readonly violations: readonly ChaosViolation[]
  readonly violationCount: number
  readonly inconclusive: readonly string[]
}

const exitCodes = {
  ok: ExitCode.ok,
  violation: ExitCode.violation,
  inconclusive: ExitCode.inconclusive,
} as const

/** Everything that was seen, against the promise. Pure. */
export function judge(evidence: Evidence): Judgement {
  const { history, verify } = evidence
  const violations = new BoundedList<ChaosViolation>(50)
  const add = (kind: string, message: string, atMs: number | null = null) =>
    violations.add({ class: kind, message, nearby: atMs === null ? [] : nearby(history, atMs) })
  const times = new CommitTimes(history)

  for (const violation of [
    ...verify.chain.violations.first,
    ...verify.deadLetters.violations.first,
    ...(verify.controlTotals?.violations.first ?? []),
  ]) {
    const atMs =
      times.ofBatch(violation.batchId) ?? times.ofRange(violation.range && formatRange(violation.range))
    add(violation.class, violation.message, atMs)
  }
  for (const table of verify.tables) {
    for (const difference of table.differences.first) {
      const text = `${table.table} ${differenceText(difference)}`
      const batch = times.batchOf(difference.key, evidence.ledger)
      add(
        difference.class,
        batch === null
          ? text
          : `${text}; of batch ${batch.batchId} ${formatRange(rangeOf(batch))}, epoch ${batch.epoch}`,
        batch === null ? null : times.ofBatch(batch.batchId ?? undefined),
      )
    }
  }
  for (const check of evidence.checks) {
    for (const text of check.differences) add('check-failed', `${check.name}: ${text}`)
  }
  for (const { batchId, atMs } of vanished(evidence)) {
    add(
      'acknowledged-batch-vanished',
      `batch ${batchId} was acknowledged, and the ledger does not have it`,
      atMs,
    )
  }
  for (const entry of history.entries) {
    if (entry.kind !== 'observed') continue
    for (const text of entry.wrong)
      add('torn-read', `in one snapshot of the running system ${text}`, entry.atMs)
  }
  for (const end of evidence.unexpected) {
    if (end.code === 'INVARIANT_VIOLATED')
      add('invariant-violated', `${end.life} ended itself: ${end.words}`, end.atMs)
  }
  for (const { class: kind, message } of evidence.found) add(kind, message)
  for (const text of evidence.badEnds) add('bad-end', text)
  if (evidence.drainedAfterMs === null) {
    const last = evidence.unexpected.at(-1)
    add(
      'not-alive',
      `everything was healed, and the job did not commit what was left within ${evidence.drainMs / 1_000} s` +
        (last ? `; the last process that ended by itself said: ${last.words}` : ''),
    )
  }
  const more =
    unlisted(verify) +
    evidence.checks.reduce((sum, check) => sum + wrongRows(check) - check.differences.length, 0)
  const inconclusive = [...verify.inconclusive]
  if (history.faultCount === 0) inconclusive.push('no fault has happened: nothing was put to the test')
  if (history.commits === 0) inconclusive.push('no process has committed anything')
  const violationCount = violations.total + more
  const outcome = violationCount > 0 ? 'violation' : inconclusive.length > 0 ? 'inconclusive' : 'ok'
  return { outcome, exitCode: exitCodes[outcome], violations: violations.first, violationCount, inconclusive }
}

function unlisted({ chain, deadLetters, controlTotals, tables }: VerifyReport): number {
  const lists = [
    chain.violations,
    deadLetters.violations,
    ...(controlTotals ? [controlTotals.violations] : []),
    ...tables.map(({ differences }) => differences),
  ]
  return lists.reduce((sum, { total, first }) => sum + total - first.length, 0)
}

/** Commits that a process was told of, and that are not there. */
function* vanished({ acknowledged, ledger, rewound, history }: Evidence) {
  // A ledger that retention has shortened, or a database that went back in time, proves nothing.
  if (rewound || ledger.length === 0) return
  const stored = new Set(ledger.map(({ batchId }) => batchId))
  for (const batchId of acknowledged) {
    if (stored.has(batchId)) continue
    const commit = history.entries.find((entry) => entry.kind === 'commit' && entry.batchId === batchId)
    yield { batchId, atMs: commit?.atMs ?? null }
  }
}

function nearby(history: History, atMs: number): string[] {
  return history
    .faultsBefore(atMs, NEARBY_MS)
    .slice(0, MAX_NEARBY)
    .map(
      ({ nemesis, detail, atMs: at }) =>
        `${((atMs - at) / 1_000).toFixed(2)} s before: ${nemesis}, ${detail}`,
    )
}

/** When batches were committed, by what is known of them. */
class CommitTimes {
  readonly #byBatch = new Map<string, number>()
  readonly #byRange = new Map<string, number>()

  constructor(history: History) {
    for (const entry of history.entries) {
      if (entry.kind !== 'commit') continue
      this.#byBatch.set(entry.batchId, entry.atMs)
      for (const range of entry.ranges) this.#byRange.set(range, entry.atMs)
    }
  }

  ofBatch(batchId: string | undefined): number | null {
    return this.#byBatch.get(batchId ?? '') ?? null
  }

  ofRange(range: string | undefined): number | null {
    return this.#byRange.get(range ?? '') ?? null
  }

  /** The batch that a witness's row belongs to. */
  batchOf(key: Readonly<Record<string, string | null>>, ledger: readonly LedgerRow[]): LedgerRow | null {
    const { topic, kafka_partition: partition, kafka_offset: offset } = key
    if (topic === undefined || !/^\d+$/.test(partition ?? '') || !/^\d+$/.test(offset ?? '')) return null
    const at = BigInt(offset ?? 0)
    const found = ledger.find(
      (row) =>
        row.kind === 'batch' &&
        row.topic === topic &&
        row.partition === Number(partition) &&
        row.fromOffset <= at &&
        at < row.untilOffset,
    )
    return found ?? null
  }
}
