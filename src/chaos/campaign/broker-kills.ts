import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '../../runtime/seeded-random.ts'
import { Arena } from './arena.ts'
import type { CampaignContext, CampaignOutcome } from './campaign.ts'
import { Feeder } from './feeder.ts'
import { JobFailed } from './job-failed.ts'
import { JobGroup } from './lives/job-group.ts'

const PARTITIONS = 6
const MEMBERS = ['a', 'b']
const RECORDS_PER_BATCH = 100
const BACKLOG = 200
/** What was produced after a kill is committed after this long. */
const RECOVERY_BOUND_MS = 90_000
const DRAIN_BOUND_MS = 90_000
const MAX_PAUSE_MS = 500
const POLL_MS = 100

/**
 * SIGKILL of a broker out of three, which is started again. The unit is a kill after which the job has committed records
 * that were produced while that broker was down, and the broker has come back in sync.
 */
export async function brokerKills(context: CampaignContext): Promise<CampaignOutcome> {
  const { engine, servers, programs, target, seed, signal } = context
  const { service, tools } = await servers.cluster()
  const serverUrl = await servers.database(engine)
  const arena = await Arena.open({ engine, serverUrl, kafka: tools, partitions: PARTITIONS, replicas: 3 })
  const random = new SeededRandom(seed)
  const group = new JobGroup(programs, arena, MEMBERS, { maxRecords: RECORDS_PER_BATCH })
  const feeder = new Feeder(arena, BACKLOG)
  const counts = { reached: 0, downMs: 0 }
  const told = () => ({ 'time until the job went on, ms': Math.round(counts.downMs) })
  try {
    await group.settled(signal)
    for (let i = random.integer(0, 2); counts.reached < target && !signal.aborted; i++) {
      const node = service.nodes[i % service.nodes.length]
      if (!node) break
      await sleep(random.integer(0, MAX_PAUSE_MS))
      const killedAt = performance.now()
      await node.kill()
      // What is produced from here on, by the brokers that are left.
      const mark = arena.produced + BACKLOG
      try {
        await committed(arena, group, mark)
        counts.downMs += performance.now() - killedAt
      } finally {
        await node.restart()
      }
      await tools.inSync(arena.topic, RECOVERY_BOUND_MS)
      counts.reached += 1
      context.onProgress(counts.reached, told())
    }
    await feeder.stop()
    await arena.drained(DRAIN_BOUND_MS)
  } finally {
    await feeder.stop()
    await group.stop()
  }
  try {
    return { reached: counts.reached, counts: told(), verdict: await arena.verify() }
  } finally {
    await arena.close()
  }
}

/**
 * @throws JobFailed when there were records to commit all the time; Error when it was the producer that did not go on
 */
async function committed(arena: Arena, group: JobGroup, records: number): Promise<void> {
  const until = performance.now() + RECOVERY_BOUND_MS
  for (;;) {
    const done = await arena.committed()
    if (done >= records) return
    group.requireAlive()
    if (performance.now() > until) {
      const within = `within ${RECOVERY_BOUND_MS / 1_000} s after a broker was killed`
      // The feeder appends as soon as less than this is left to commit.
      if (arena.produced - done < BACKLOG) throw new Error(`the producer has not appended anything ${within}`)
      const positions = (await arena.positions()).join()
      throw new JobFailed(
        `${records} records were not committed ${within}: ${arena.produced} were produced, positions are ${positions}\n${group.describe()}`,
      )
    }
    await sleep(POLL_MS)
  }
}
