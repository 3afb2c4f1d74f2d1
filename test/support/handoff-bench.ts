import type { JobSession } from '../../src/database/protocol/session.ts'
import type { PartitionResult } from '../../src/executor/executor.ts'
import type { Claim } from '../../src/model/claim.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createDiskStore } from '../../src/strategy/file-handoff/disk-store.ts'
import { FileLoader, shapeDigest } from '../../src/strategy/file-handoff/file-loader.ts'
import { FileWriter } from '../../src/strategy/file-handoff/file-writer.ts'
import { gzipMembers } from '../../src/strategy/file-handoff/gzip-members.ts'
import type { ComputedBatch, StrategyParts } from '../../src/strategy/strategy.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** The row of a partition, as far as files are concerned, and its ledger by the first offset of each batch. */
interface Row {
  claim: Claim
  owner: string
  readonly ledger: Map<bigint, string>
}

/** A job without pipelines, its directory on the disk, and a database that knows positions only. */
export async function handoffBench() {
  const rows = new Map<number, Row>()
  /** Partitions of which nothing commits, with why, and when that is known. */
  const refused = new Map<number, Promise<Error>>()
  const session = sessionOn(rows, refused)
  const events = new EventBus<JobEvents>()
  const directory = await temporaryFolder()
  const store = createDiskStore(directory, 'job', systemRuntime)
  const keep = { loadedMs: 0, setAsideMs: 3_600_000 }
  const shape = 'shape'
  const parts: StrategyParts = {
    ...{ session, pipelines: [], shape, deadLetterLimit: null, events },
    clusterId: () => Promise.resolve('cluster'),
  }
  const loader = new FileLoader({
    ...{ session, store, pipelines: [], deadLetterLimit: null, events, keep },
    ...{ packing: gzipMembers, shape: shapeDigest(shape) },
  })
  const writer = new FileWriter({
    ...{ store, pipelines: [], job: 'job', packing: gzipMembers, clusterId: parts.clusterId },
    shape: shapeDigest(shape),
  })
  return {
    ...{ directory, store, session, loader, writer, events, parts, keep, rows, refused },
    /** Somebody claims the partition. */
    claim(partition: number, owner = 'somebody'): Claim {
      const before = rows.get(partition)
      const claim: Claim = {
        ...{ topic: 't', partition, topicId: 'id', incarnation: 0, seq: 0n, leaderEpoch: 0 },
        claimId: systemRuntime.random.uuid(),
        epoch: (before?.claim.epoch ?? 0n) + 1n,
        nextOffset: before?.claim.nextOffset ?? 0n,
      }
      rows.set(partition, { claim, owner, ledger: before?.ledger ?? new Map() })
      return claim
    },
  }
}

/** What was computed of `[from, until)` under each of these claims. */
export function computed(
  ...of: readonly { readonly claim: Claim; readonly from: bigint; readonly until: bigint }[]
): ComputedBatch {
  const results = of.map(({ claim, from, until }): PartitionResult => {
    const range = { topic: claim.topic, partition: claim.partition, from, until }
    const records = Number(until - from)
    const nothing = { deadLetters: [], digest: null, partials: [], bytes: 0, leaderEpoch: 0, computeMs: 0 }
    return { ...nothing, range, records, lastOffset: until - 1n }
  })
  return {
    batchId: systemRuntime.random.uuid(),
    results,
    claims: of.map(({ claim }) => claim),
    deadLetterLimit: null,
  }
}

function sessionOn(rows: Map<number, Row>, refused: ReadonlyMap<number, Promise<Error>>): JobSession {
  const begin = async () => {
    let moved: { readonly row: Row; readonly from: bigint; readonly until: bigint } | null = null
    return {
      readPositions: async () => positions(),
      lockPositions: async () => positions(),
      readJob: async () => ({ clusterId: 'cluster' }),
      findBatch: async (_job: string, { partition, from }: { partition: number; from: bigint }) =>
        rows.get(partition)?.ledger.get(from) ?? null,
      advanceRanges: async (_job: string, [move]: readonly Move[]) => {
        const row = move && rows.get(move.range.partition)
        if (!row || row.claim.claimId !== move.claimId || row.claim.nextOffset !== move.range.from) return 0
        moved = { row, ...move.range }
        return 1
      },
      writeLedger: async (_job: string, [entry]: readonly LedgerEntry[]) => {
        const error = entry && refused.get(entry.range.partition)
        if (error) throw await error
        if (moved && entry) moved.row.ledger.set(moved.from, entry.batchId)
      },
      commit: async () => {
        if (moved) moved.row.claim = { ...moved.row.claim, nextOffset: moved.until }
        return { kind: 'committed' }
      },
      rollback: async () => {},
    }
  }
  const positions = () => [...rows.values()].map(({ claim, owner }) => ({ ...claim, owner }))
  const session = {
    ...{ job: 'job', owner: 'me', runtime: systemRuntime },
    connection: async () => ({ begin }),
    another: () => session,
    drop: () => {},
    close: async () => {},
  }
  return session as unknown as JobSession
}

interface Move {
  readonly range: { readonly partition: number; readonly from: bigint; readonly until: bigint }
  readonly claimId: string
}

interface LedgerEntry {
  readonly range: { readonly partition: number }
  readonly batchId: string
}
