import type { Connection, ConnectionLimit } from '../database/dialect.ts'
import { type Finding, findingsOf } from './finding.ts'
import type { Job } from './job.ts'

/** One on which the job claims, and one with which a claim that waits looks for who is in its way. */
const CLAIMING = 2

/**
 * Whether the server has the connections that the job's strategy opens. Looks only. A job that opens none besides its
 * own is not asked about.
 */
export async function checkConnections(job: Job, connection: Connection): Promise<Finding[]> {
  const { name, connections = 0 } = job.strategy
  if (connections === 0) return []
  const needed = connections + CLAIMING
  const found = findingsOf('connections')
  const what = `${name} uses up to ${needed} connections (${connections}, and ${CLAIMING} for claims)`
  const limits = await connection.connectionLimits()
  const small = limits.filter(({ most }) => most < needed)
  if (small.length > 0) {
    return small.map(({ setting, most }) =>
      found.problem(
        `${what}, and ${setting} leaves ${most}: lower 'connections' of ${name}(), or raise the limit`,
      ),
    )
  }
  const busy = limits.filter((limit) => room(limit) < needed)
  if (busy.length > 0) {
    return busy.map((limit) =>
      found.warning(
        `${what}, and of the ${limit.most} that ${limit.setting} leaves ${room(limit)} are free now: partitions wait while ` +
          `there is none. Lower 'connections' of ${name}(), raise the limit, or have others use fewer`,
      ),
    )
  }
  const free = limits.map((limit) => `${room(limit)} of ${limit.most} (${limit.setting})`).join(', ')
  return [found.ok(free === '' ? what : `${what}; free: ${free}`)]
}

/** What is free now, the connection included with which it was asked. */
function room({ most, open }: ConnectionLimit): number {
  return Math.max(0, most - open + 1)
}
