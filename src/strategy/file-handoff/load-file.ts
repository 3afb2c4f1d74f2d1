import { collectPartials } from '../../aggregation/collect.ts'
import type { PositionRow } from '../../database/dialect.ts'
import { commitBatch } from '../../database/protocol/commit-batch.ts'
import type { DeadLetterLimit } from '../../database/protocol/dead-letters.ts'
import type { JobSession } from '../../database/protocol/session.ts'
import { asError, invariant, OncesinkError } from '../../errors.ts'
import { formatRange } from '../../model/offset-range.ts'
import { topicPartitionKey } from '../../model/topic-partition.ts'
import type { PipelinePlan } from '../../pipeline/plan.ts'
import { deliver } from '../../sink/deliver.ts'
import type { CommitPhases } from '../strategy.ts'
import { decodeFile, type FileContent } from './file-content.ts'
import { OtherVersion } from './file-header.ts'
import { type FileId, fileName } from './file-name.ts'
import type { Packing } from './gzip-members.ts'
import type { HandoffStore } from './store.ts'

/** What a loader works with. */
export interface LoadDeps {
  readonly session: JobSession
  readonly store: HandoffStore
  readonly pipelines: readonly PipelinePlan[]
  readonly deadLetterLimit: DeadLetterLimit | null
  readonly packing: Packing
  /** SHA-256 of the job's shape. */
  readonly shape: string
  /** Kafka's id of the cluster whose records the job has in the database; null before its first claim. */
  readonly clusterId: () => Promise<string | null>
}

/**
 * What became of one file:
 * - `loaded`: its range has committed now;
 * - `present`: the database had it already: another loader was first, or this one before it was killed;
 * - `replaced`: its claim is no longer the row's;
 * - `ahead`: its claim is the row's, but its range begins behind the row's position: something before it is missing;
 * - `gone`: there is no such file, and the database does not have its range, which its claim could still commit;
 * - `failed`: rolled back;
 * - `unknown`: no answer to COMMIT; asking again tells.
 */
export type LoadOutcome =
  | {
      readonly kind: 'loaded'
      readonly content: FileContent
      readonly rows: number
      readonly phases: CommitPhases
    }
  | { readonly kind: 'present' }
  | { readonly kind: 'gone' }
  | {
      readonly kind: 'replaced'
      readonly reason: 'owned-by-other' | 'rewound'
      readonly owner: string | null
    }
  | { readonly kind: 'ahead'; readonly nextOffset: bigint }
  | { readonly kind: 'failed'; readonly error: OncesinkError }
  | { readonly kind: 'unknown'; readonly error: Error }

/**
 * Loads one file in one transaction, under the claim that it was written under. Nothing is claimed here: the
 * compare-and-set of the commit protocol decides, so any number of loaders may try at once.
 *
 * @throws OncesinkError HANDOFF_FILE_DAMAGED, HANDOFF_FILE_FOREIGN, HANDOFF_FILE_OUT_OF_ORDER with the file's name;
 *   DATABASE_UNAVAILABLE where the database cannot be reached or asked
 */
export async function loadFile(deps: LoadDeps, file: FileId): Promise<LoadOutcome> {
  const { session, store, pipelines, deadLetterLimit } = deps
  const path = store.pathOf(file, fileName(file, 'handoff'))
  const bytes = await store.read(file, fileName(file, 'handoff'))
  // Gone: another loader has loaded it, or set it aside, or somebody has removed it.
  if (!bytes) return whyNot(deps, file, path, null)
  const content = await contentOf(bytes, path, deps.packing)
  const { header, deadLetters, partials } = content
  refuseForeign(deps, file, content, (await deps.clusterId()) ?? header.clusterId, path)
  const range = { topic: file.topic, partition: file.partition, from: header.from, until: header.until }
  const claim = { ...header, nextOffset: header.from, seq: 0n }
  const { batchId, records, digest, leaderEpoch } = header
  const info = { batchId, job: header.job, ranges: [range], records, deadLetters: deadLetters.length }
  await session.runtime.faultPoints.reach('handoff.loading')
  const { outcomes, rows, ...phases } = await commitBatch(
    session,
    { batchId, ranges: [{ range, claim, leaderEpoch }], deadLetterLimit },
    async (trx) => {
      let written = 0
      for (const [i, pipeline] of pipelines.entries()) {
        const partial = partials[i]
        invariant(partial, 'a file has one partial result per pipeline')
        written += await deliver(trx, pipeline, collectPartials(pipeline.terminal, [partial]), info)
      }
      return { rows: written, contents: [{ records, deadLetters, digest, leaderEpoch }] }
    },
  )
  const [outcome] = outcomes
  invariant(outcome, 'a range has an outcome')
  switch (outcome.kind) {
    case 'committed':
      return { kind: 'loaded', content, rows, phases }
    case 'fenced':
      return whyNot(deps, file, path, batchId)
    case 'unknown':
      return { kind: 'unknown', error: outcome.error }
    case 'aborted': {
      if (outcome.error instanceof OncesinkError) return { kind: 'failed', error: outcome.error }
      throw outcome.error
    }
  }
}

async function contentOf(bytes: Buffer, path: string, packing: Packing): Promise<FileContent> {
  try {
    return await decodeFile(bytes, packing)
  } catch (error) {
    if (error instanceof OtherVersion) throw foreign(path, error.message)
    throw new OncesinkError(
      'HANDOFF_FILE_DAMAGED',
      `${path} cannot be loaded: ${asError(error).message}. Look after the disk, then move the file away and start the job ` +
        'again: it reads the range of this file, and of those after it, again from Kafka.',
      { cause: error },
    )
  }
}

function refuseForeign(
  { session, shape, pipelines }: LoadDeps,
  file: FileId,
  { header }: FileContent,
  clusterId: string,
  path: string,
): void {
  if (header.job !== session.job) throw foreign(path, `it is of job '${header.job}', not of '${session.job}'`)
  if (header.clusterId !== clusterId) {
    throw foreign(
      path,
      `its records are of Kafka cluster ${header.clusterId}, and the job's are of ${clusterId}`,
    )
  }
  if (header.shape !== shape || header.pipelines.length !== pipelines.length) {
    throw new ForeignShape(path)
  }
  const isNamedSo =
    topicPartitionKey(header) === topicPartitionKey(file) &&
    fileName(header, 'handoff') === fileName(file, 'handoff')
  if (!isNamedSo)
    throw foreign(
      path,
      `it holds ${formatRange(header)} under claim ${header.claimId}, which is not its name`,
    )
}

function foreign(path: string, why: string): OncesinkError {
  return new OncesinkError(
    'HANDOFF_FILE_FOREIGN',
    `${path} is not a file of this job: ${why}. Move it to where it belongs; a job that starts reads again from Kafka what it ` +
      'misses.',
  )
}

/** A file of a job whose shape was another one. A job that was told to accept the change reads its range again. */
export class ForeignShape extends OncesinkError {
  constructor(path: string) {
    super(
      'HANDOFF_FILE_FOREIGN',
      `${path} was written when the job had another shape (keys, aggregates, columns or sink). Load it with the job file of ` +
        "then ('oncesink load'), or start the job with --accept-shape-change, which sets it aside and reads its range again from Kafka.",
    )
  }
}

/**
 * Why a file's range could not be moved: as the database says.
 * @param batchId null where the file is gone, and its batch is not known
 */
async function whyNot(
  deps: LoadDeps,
  file: FileId,
  path: string,
  batchId: string | null,
): Promise<LoadOutcome> {
  const { row, stored } = await positionOf(deps.session, file)
  if (stored !== null && (batchId === null || stored === batchId)) return { kind: 'present' }
  if (!row || row.epoch < file.epoch)
    return { kind: 'replaced', reason: 'rewound', owner: row?.owner ?? null }
  if (row.claimId !== file.claimId) return { kind: 'replaced', reason: 'owned-by-other', owner: row.owner }
  if (row.nextOffset < file.from) return { kind: 'ahead', nextOffset: row.nextOffset }
  if (batchId === null) return { kind: 'gone' }
  throw outOfOrder(
    path,
    `holds ${formatRange(file)}, but the job's position is ${row.nextOffset}, and the ledger does not have this batch`,
  )
}

export function outOfOrder(path: string, what: string): OncesinkError {
  return new OncesinkError(
    'HANDOFF_FILE_OUT_OF_ORDER',
    `${path} ${what}. Start the job again: it goes on from its position in the database, and sets aside what does not follow it.`,
  )
}

/** The position of the file's partition, and the id of the batch that the ledger has from where the file begins. */
async function positionOf(
  session: JobSession,
  file: FileId,
): Promise<{ readonly row: PositionRow | undefined; readonly stored: string | null }> {
  const trx = await (await session.connection()).begin('snapshot')
  try {
    const rows = await trx.readPositions(session.job)
    const row = rows.find((candidate) => topicPartitionKey(candidate) === topicPartitionKey(file))
    const stored = row ? await trx.findBatch(session.job, { ...file, incarnation: row.incarnation }) : null
    return { row, stored }
  } finally {
    await trx.rollback()
  }
}
