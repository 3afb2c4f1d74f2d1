import { SimulatedDatabase } from './database.ts'
import { SimulatedGroup, SimulatedMembership } from './group.ts'
import { compare, live, makeJob, makeLog, type ScenarioOptions, stormy } from './scenario.ts'
import { Dice, Host, World } from './world.ts'

export interface GroupScenarioResult {
  readonly violations: readonly string[]
  readonly history: readonly string[]
  readonly counts: Readonly<
    Record<
      'joins' | 'crashes' | 'leaves' | 'stops' | 'rewinds' | 'handOvers' | 'expired' | 'unknown' | 'batches',
      number
    >
  >
}

const MAX_OWNERS = 4

interface Owner {
  readonly host: Host
  readonly membership: SimulatedMembership
  readonly stopping: AbortController
  hasEnded: boolean
}

/**
 * One job, two to four processes that divide its partitions: they join, leave, crash, are stopped past the end of their
 * session and wake as zombies, over a database that fails in every way of {@link runScenario}. Then the faults end, and
 * whoever is left must drain the log together; every record must have counted exactly once.
 */
export async function runGroupScenario(
  seed: number,
  sabotage?: ScenarioOptions['sabotage'],
): Promise<GroupScenarioResult> {
  const world = new World(seed)
  const log = makeLog(new Dice(seed ^ 0x5eed), false)
  const database = new SimulatedDatabase(world, { ...stormy })
  const group = new SimulatedGroup(world, log)
  const counts = { joins: 0, crashes: 0, leaves: 0, stops: 0, rewinds: 0, unknown: 0, batches: 0 }
  const violations: string[] = []
  const job = makeJob(false)
  const owners: Owner[] = []
  const living = () => owners.filter(({ host, hasEnded }) => !host.crashed && !hasEnded)

  // No claim rests on an older grant than one that was made before it: that would fence the rightful owner.
  const newest = new Map<string, number>()
  database.onClaim = (host, keys, twice) => {
    const told = owners.find((owner) => owner.host === host)?.membership.told
    for (const key of keys) {
      const [grant, before] = [told?.get(key) ?? 0, newest.get(key) ?? 0]
      newest.set(key, Math.max(before, grant))
      // Whoever holds it and has its connection has no reason to claim it again.
      if (twice.includes(key) && grant === before)
        violations.push(`${host.name} has claimed ${key} again, which it holds`)
      // A database that has lost claims does not tell them any more.
      if (grant < before && counts.rewinds === 0)
        violations.push(`${host.name} has claimed ${key} by grant ${grant} after grant ${before}`)
    }
  }

  const launch = () => {
    const host = new Host(world, `p${owners.length}`)
    world.note(`${host.name} starts`)
    const membership = new SimulatedMembership(group, host)
    const owner: Owner = { host, membership, stopping: new AbortController(), hasEnded: false }
    owners.push(owner)
    const { signal: stop } = owner.stopping
    live({ host, job, log, database, membership, once: false, stop, counts, sabotage }).then(
      () => {
        owner.hasEnded = true
      },
      (error: unknown) => {
        owner.hasEnded = true
        world.note(`${host.name} ends: ${String(error)}`)
        violations.push(`${host.name} ended with ${String(error)}`)
      },
    )
  }

  const step = (snapshot: ReturnType<SimulatedDatabase['snapshot']>) => {
    const { dice } = world
    const alive = living()
    const one = alive[dice.below(Math.max(1, alive.length))]
    const what = dice.below(10)
    if (alive.length < 2 || (what < 3 && alive.length < MAX_OWNERS)) {
      counts.joins += 1
      launch()
    } else if (what < 5) {
      counts.crashes += 1
      one?.host.crash()
    } else if (what < 6) {
      counts.leaves += 1
      world.note(`${one?.host.name} is asked to stop`)
      one?.stopping.abort()
    } else if (what < 8) {
      counts.stops += 1
      one?.host.pause(500 + dice.fraction() * 4_000)
    } else if (what < 9 && seed % 2 === 0) {
      counts.rewinds += 1
      database.rewindTo(snapshot)
    } else return database.snapshot()
    return snapshot
  }
  const steps = 5 + world.dice.below(8)
  const storm = (n: number, snapshot: ReturnType<SimulatedDatabase['snapshot']>) => {
    if (n === 0) return
    world.schedule(20 + world.dice.fraction() * 600, () => storm(n - 1, step(snapshot)))
  }
  launch()
  launch()
  storm(steps, database.snapshot())
  world.schedule(20 + steps * 650, () => {
    world.calm = true
  })
  await world.run(() => world.calm, 100_000)

  Object.assign(database.faults, { connectionLoss: 0, lostAnswer: 0, lostCommit: 0, deadlock: 0 })
  while (living().length < 2) launch()
  const isDrained = () =>
    log.every((records, p) => database.state.positions.get(`t/${p}`)?.nextOffset === BigInt(records.length))
  if (!(await world.run(isDrained, world.now + 120_000))) violations.push('the group did not drain the log')
  for (const { host } of owners) host.crash()
  violations.push(...compare(log, database))
  const { handOvers, expired } = group
  return { violations, history: world.history, counts: { ...counts, handOvers, expired } }
}
