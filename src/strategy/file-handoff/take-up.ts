import { freePositions } from '../../database/protocol/end-blockers.ts'
import type { JobSession } from '../../database/protocol/session.ts'
import type { Claim } from '../../model/claim.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import type { JobEventBus } from '../../telemetry/events.ts'
import { type FileLoader, isPassing } from './file-loader.ts'
import { filesIn } from './file-moves.ts'
import type { FileId } from './file-name.ts'
import { ForeignShape } from './load-file.ts'
import type { HandoffStore } from './store.ts'
import { storedPosition } from './stored-position.ts'

export interface TakeUpDeps {
  readonly session: JobSession
  readonly events: JobEventBus
  readonly store: HandoffStore
  readonly loader: FileLoader
}

/**
 * Before partitions are claimed: loads the unbroken chain of files that were written under the claim that they have, so
 * that nothing is computed twice. What does not follow, or does not load, is left to {@link setAsideEarlier}: its range
 * is read again from the position that the claim finds. An owner that was stopped while it loaded is not waited for.
 *
 * @param ownClaims given by who claims again what it had: files of any other claim are its successor's, and left to it
 * @throws OncesinkError the database's errors; HANDOFF_FILE_DAMAGED and HANDOFF_FILE_FOREIGN, which somebody must see to
 */
export async function takeUp(
  deps: TakeUpDeps,
  partitions: readonly TopicPartition[],
  ownClaims?: readonly Claim[],
): Promise<void> {
  const ownIds = ownClaims && new Set(ownClaims.map(({ claimId }) => claimId))
  const { store, session, events } = deps
  const chains: (readonly FileId[])[] = []
  for (const tp of partitions) {
    const files = await filesIn(store, tp, 'handoff')
    if (files.length === 0) continue
    const claimId = (await storedPosition(session, tp))?.claimId
    if (!claimId || ownIds?.has(claimId) === false) continue
    const chain = files.filter((file) => file.claimId === claimId)
    if (chain.length > 0) chains.push(chain)
  }
  if (chains.length === 0) return
  // Of all of them, before any is loaded: who holds one partition's position also holds rows that the others' files change.
  await freePositions(session, events, partitions)
  for (const chain of chains) await loadChain(deps, chain)
}

async function loadChain({ loader }: TakeUpDeps, files: readonly FileId[]): Promise<void> {
  for (const file of files) {
    try {
      const fate = await loader.tryOnce(file)
      if (fate.kind === 'failed' && isPassing(fate.error) && fate.error.code !== 'STATEMENT_TIMEOUT')
        throw fate.error
      if (fate.kind !== 'done') return
    } catch (error) {
      // The claim refuses a changed shape, unless it was told to accept it.
      if (error instanceof ForeignShape) return
      throw error
    }
  }
}

/**
 * After a partition was claimed: whatever was written under other claims is void. Who was stopped after its claim may
 * have a successor by now, whose files are none of its business: the database says which claim holds.
 * @throws OncesinkError the database's errors
 */
export async function setAsideEarlier({ store, loader, session }: TakeUpDeps, mine: Claim): Promise<void> {
  const others = await filesOfOthers(store, mine)
  if (others.length === 0) return
  // Read after the files were listed: their claims had committed before they were written.
  const row = await storedPosition(session, mine)
  for (const file of others) {
    if (row && file.claimId !== row.claimId) await loader.setAside(file, 'owned-by-other', row.owner)
  }
}

/** Files of the claim's partition that wait, and were written under another claim. */
export async function filesOfOthers(
  store: HandoffStore,
  { topic, partition, claimId }: Claim,
): Promise<FileId[]> {
  const files = await filesIn(store, { topic, partition }, 'handoff')
  return files.filter((file) => file.claimId !== claimId)
}
