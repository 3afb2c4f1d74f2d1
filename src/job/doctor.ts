import type { Dialect } from '../database/dialect.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { GroupUse, Source } from '../source/source.ts'
import type { StrategyNeeds } from '../strategy/strategy.ts'
import { checkDatabase, checkIdentity, openDatabase } from './check-database.ts'
import { checkBrokers, checkGroup, checkReading } from './check-source.ts'
import { type Finding, findingsOf } from './finding.ts'
import type { Job } from './job.ts'

/** The oldest version that runs oncesink: `engines` of package.json. */
const OLDEST_NODE = [20, 19] as const

export interface DoctorDeps {
  readonly dialect: Dialect
  readonly source: Source
  readonly runtime: Runtime
  /** The consumer group of the job, and what for; null where it has none. */
  readonly group: { readonly name: string; readonly use: GroupUse } | null
  /** Default: the version of this process. */
  readonly nodeVersion?: string
}

/**
 * Everything that can be found before a job runs, one finding after another as they are made. It looks only: it
 * writes, claims and creates nothing. What is broken on one side does not hide what is on the other.
 */
export async function* diagnose(job: Job, deps: DoctorDeps): AsyncGenerator<Finding, void> {
  yield checkNode(deps.nodeVersion ?? process.versions.node)
  if (job.strategy.needs) yield await checkNeeds(job, job.strategy.needs, deps.runtime)
  const { source, group } = deps
  try {
    const { findings, described } = await checkBrokers(source)
    yield* findings
    const { connection, finding } = await openDatabase(job, deps.dialect)
    yield finding
    let positions: Awaited<ReturnType<typeof checkIdentity>>['positions'] = null
    if (connection) {
      try {
        yield* await checkDatabase(job, connection, deps.runtime.clock, group?.use === 'join')
        const identity = await checkIdentity(job, connection, described?.clusterId ?? null)
        yield* identity.findings
        positions = identity.positions
      } finally {
        await connection.close()
      }
    }
    if (described) yield* await checkReading(source, described, positions)
    if (described && group) yield await checkGroup(source, job.name, group)
  } finally {
    await source.close()
  }
}

async function checkNeeds(
  { name }: Job,
  { what, examine }: StrategyNeeds,
  runtime: Runtime,
): Promise<Finding> {
  const found = findingsOf(what)
  try {
    return found.ok(await examine(name, runtime))
  } catch (error) {
    return found.failed(error)
  }
}

function checkNode(version: string): Finding {
  const found = findingsOf('Node.js')
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const old = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])
  if (!old) return found.ok(version)
  return found.problem(
    `this is Node.js ${version}: oncesink needs ${OLDEST_NODE.join('.')} or newer, install it`,
  )
}
