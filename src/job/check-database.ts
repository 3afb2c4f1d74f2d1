import type { Connection, Dialect, PositionRow } from '../database/dialect.ts'
import { inSnapshot } from '../database/in-snapshot.ts'
import { identityConflicts, qualifiedTables } from '../database/protocol/job-identity.ts'
import type { Clock } from '../runtime/clock.ts'
import { checkConnections } from './check-connections.ts'
import { checkOwnTables, checkSinkTables } from './check-tables.ts'
import { type Finding, findingsOf } from './finding.ts'
import type { Job } from './job.ts'
import { requireWritable } from './preflight.ts'
import { shapeOf, sinkTablesOf } from './shape.ts'

/** What a doctor's own session is called at the server. */
export const DOCTOR = 'doctor'
/** Sessions of commands that look or act beside a job, and own nothing. */
const beside: ReadonlySet<string> = new Set([DOCTOR, 'inspect', 'verify', 'migrate', 'accept-loss'])

/** Difference between two clocks from which on a person should know, in milliseconds. */
const SKEW_MS = 5_000

/**
 * A connection to the job's database, and what was found of it; null when there is none.
 */
export async function openDatabase(
  job: Job,
  dialect: Dialect,
): Promise<{ connection: Connection | null; finding: Finding }> {
  const found = findingsOf('database')
  try {
    const connection = await dialect.connect({ job: job.name, owner: DOCTOR })
    return { connection, finding: found.ok(connection.serverVersion) }
  } catch (error) {
    return { connection: null, finding: found.failed(error) }
  }
}

/**
 * What can be found with the database alone. One check that fails does not hide the next.
 * @param isShared whether several processes of the job divide its partitions
 */
export async function checkDatabase(
  job: Job,
  connection: Connection,
  clock: Clock,
  isShared: boolean,
): Promise<Finding[]> {
  const checks: readonly (readonly [string, () => Promise<readonly Finding[]>])[] = [
    ['writable', () => checkWritable(connection)],
    ["oncesink's tables", () => checkOwnTables(job, connection)],
    ['sink tables', () => checkSinkTables(job, connection)],
    ['connections', () => checkConnections(job, connection)],
    ['clock', () => checkClock(connection, clock)],
    ['owner', () => checkOwner(job, connection, isShared)],
  ]
  const findings: Finding[] = []
  for (const [name, check] of checks) {
    if (connection.broken) {
      findings.push(findingsOf(name).problem('not looked at: the connection to the database was lost before'))
      continue
    }
    try {
      findings.push(...(await check()))
    } catch (error) {
      findings.push(findingsOf(name).failed(error))
    }
  }
  return findings
}

async function checkWritable(connection: Connection): Promise<Finding[]> {
  await requireWritable(connection)
  return [findingsOf('writable').ok('the server takes writes')]
}

async function checkClock(connection: Connection, clock: Clock): Promise<Finding[]> {
  const found = findingsOf('clock')
  const before = clock.wallMs()
  const theirs = await connection.clockMs()
  // The answer was given at some moment in between.
  const aheadMs = (before + clock.wallMs()) / 2 - theirs
  if (Math.abs(aheadMs) < SKEW_MS) return [found.ok("this machine's and the database's agree")]
  const seconds = Math.round(Math.abs(aheadMs) / 1_000)
  return [
    found.warning(
      `this machine's clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the database's: set both by NTP. ` +
        'Positions do not depend on it; times in logs, certificates and tokens do',
    ),
  ]
}

async function checkOwner(job: Job, connection: Connection, isShared: boolean): Promise<Finding[]> {
  const found = findingsOf('owner')
  const owners = (await connection.sessionsOf(job.name))
    .map(({ owner }) => owner)
    .filter((owner) => !beside.has(owner))
  if (owners.length === 0) return [found.ok('no process of this job is connected')]
  return [...new Set(owners)].map((owner) =>
    isShared
      ? found.ok(`process ${owner} runs this job: a start here joins it, and they divide the partitions`)
      : found.warning(
          `process ${owner} runs this job: a start here takes it over, and that process ends with exit code 3`,
        ),
  )
}

/** What the database knows of the job: its positions, null where they could not be read, and contradictions. */
export async function checkIdentity(
  job: Job,
  connection: Connection,
  clusterId: string | null,
): Promise<{ positions: readonly PositionRow[] | null; findings: Finding[] }> {
  const found = findingsOf('identity')
  try {
    if ((await connection.schemaVersion()) === 0) {
      return { positions: [], findings: [found.ok(`job '${job.name}' has not run here yet`)] }
    }
    const sinkTables = await qualifiedTables(connection, sinkTablesOf(job))
    return await inSnapshot(connection, async (trx) => {
      const stored = await trx.readJob(job.name)
      const conflicts = await identityConflicts(trx, stored, {
        job: job.name,
        shape: shapeOf(job),
        codeVersion: job.codeVersion,
        sinkTables,
        // Brokers that do not answer have been told of already.
        clusterId: clusterId ?? stored?.clusterId ?? '',
        acceptShapeChange: false,
      })
      const known = stored ? 'is the one that its positions belong to' : 'has not run here yet'
      const findings =
        conflicts.length > 0 ? conflicts.map(found.failed) : [found.ok(`job '${job.name}' ${known}`)]
      return { positions: await trx.readPositions(job.name), findings }
    })
  } catch (error) {
    return { positions: null, findings: [found.failed(error)] }
  }
}
