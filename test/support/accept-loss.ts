import { acceptLoss, type LostPosition } from '../../src/database/protocol/accept-loss.ts'
import { type ExaminedPosition, findLosses } from '../../src/database/protocol/find-losses.ts'
import { JobSession } from '../../src/database/protocol/session.ts'
import type { Job } from '../../src/job/job.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { EventBus } from '../../src/telemetry/events.ts'
import { createDialect, createSource } from '../../src/wire.ts'

export interface Plan {
  readonly clusterId: string
  readonly lost: readonly LostPosition[]
}

/** What `oncesink accept-loss` would show, for all partitions or those that `wanted` chooses. */
export async function planLosses(
  job: Job,
  wanted: (position: ExaminedPosition['position']) => boolean = () => true,
): Promise<Plan> {
  const source = createSource(job, systemRuntime, new EventBus())
  const connection = await createDialect(job, systemRuntime).connect({ job: job.name, owner: 'inspect' })
  try {
    await source.open()
    const snapshot = await connection.begin('snapshot')
    const positions = (await snapshot.readPositions(job.name)).filter(wanted)
    await snapshot.rollback()
    const { clusterId } = await source.describe()
    const examined = await findLosses(source, positions)
    return { clusterId, lost: examined.filter((one): one is LostPosition => one.loss !== null) }
  } finally {
    await source.close()
    await connection.close()
  }
}

/** What `oncesink accept-loss --execute` does with a plan. */
export async function accept(job: Job, { clusterId, lost }: Plan, fenceOwner = false): Promise<void> {
  const session = new JobSession(
    createDialect(job, systemRuntime),
    { job: job.name, owner: 'accept-loss' },
    systemRuntime,
  )
  try {
    const acceptance = { clusterId, actor: 'ann@host', reason: 'disk was full', fenceOwner }
    await acceptLoss(session, lost, acceptance, new EventBus())
  } finally {
    await session.close()
  }
}
