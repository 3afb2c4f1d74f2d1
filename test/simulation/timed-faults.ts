import type { SimulatedDatabase } from './database.ts'
import { describeFault, type TimedFault } from './faults.ts'
import { MAX_OWNERS, type Owners } from './owners.ts'

export interface Struck {
  readonly owners: Owners
  readonly database: SimulatedDatabase
}

/**
 * A fault of everything around strikes.
 * @returns whether there was anything to strike
 */
export function strikeAround(fault: TimedFault, { owners, database }: Struck): boolean {
  const { kind, ms, pick } = fault
  database.world.note('world', () => `FAULT ${describeFault(fault)}`)
  const victim = owners.pick(pick)
  switch (kind) {
    case 'owner-joins':
      if (owners.living.length >= MAX_OWNERS) return false
      owners.launch()
      return true
    case 'database-restarts':
      database.restart(ms / 4)
      return true
    case 'failover-loses-writes':
      database.rewind(database.shareOlderThan(ms / 4), ms / 10)
      return true
    case 'restored-from-backup':
      database.rewind(pick, ms / 2)
      return true
    case 'owner-leaves':
      victim?.host.note(() => 'is asked to stop')
      victim?.stopping.abort()
      return victim !== null
    case 'owner-killed':
      victim?.host.crash()
      return victim !== null
    case 'owner-stopped':
      victim?.host.stop(300 + ms)
      return victim !== null
    case 'owner-cut-off':
      if (victim === null) return false
      victim.host.note(() => `is cut off from everything for ${ms.toFixed(0)} ms`)
      victim.host.cutOffUntil = database.world.now + ms
      return true
    case 'sessions-ended':
      for (const connection of [...database.connections])
        if (connection.host === victim?.host) connection.endedByServer()
      return victim !== null
  }
}
