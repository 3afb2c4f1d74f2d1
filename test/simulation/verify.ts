import { verifyJob } from '../../src/check/verify-job.ts'
import type { Job } from '../../src/job/job.ts'
import { noFaults } from '../../src/runtime/fault-points.ts'
import type { SimulatedDatabase } from './database.ts'
import type { FaultInjector } from './faults.ts'
import { Host } from './host.ts'
import type { SimulatedLog } from './log.ts'
import { simulatedSource } from './source.ts'
import type { World } from './world.ts'

export interface Verified {
  readonly world: World
  readonly job: Job
  readonly log: SimulatedLog
  readonly database: SimulatedDatabase
  readonly faults: FaultInjector
  readonly seed: number
}

/** What the checker that users run says of the simulated database: it must come to the same conclusion. */
export async function verifyViolations({
  world,
  job,
  log,
  database,
  faults,
  seed,
}: Verified): Promise<string[]> {
  const host = new Host(world, 'verify', seed, 999)
  const found: string[] = []
  let isDone = false
  verifyJob({
    job,
    dialect: database.dialectFor(host),
    source: simulatedSource(host, log, faults),
    runtime: host.runtime(noFaults),
    onProgress: () => {},
  })
    .then(
      (report) => {
        if (report.outcome !== 'ok') found.push(`verify: ${report.outcome}: ${JSON.stringify(report, big)}`)
      },
      (error: unknown) => found.push(`verify: ${String(error)}`),
    )
    .finally(() => {
      isDone = true
    })
  if (!(await world.run(() => isDone, world.now + 60_000))) found.push('verify has not come to an end')
  return found
}

function big(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
