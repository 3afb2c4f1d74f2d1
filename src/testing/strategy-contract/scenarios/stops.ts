import { systemClock } from '../../../runtime/clock.ts'
import type { ContractProcess } from '../contract-process.ts'
import type { ContractWorld } from '../contract-world.ts'
import type { Scenario } from './scenario.ts'

/** More than one batch for each of two members. */
const RECORDS = 160
/** So long it may take to come by a point that records bring it to, in milliseconds, before there are more of them. */
const REFILL_MS = 1_000

/**
 * One member is stopped at every fault point, for longer than its session; the other one takes everything over; then the
 * first one wakes in the middle of what it was doing.
 */
export const stops: Scenario = {
  name: 'stopped with SIGSTOP at every fault point it is replaced, and commits nothing any more when it wakes',
  async run(world, strategy) {
    await world.produce(RECORDS)
    const sleeper = world.run({ strategy, member: 'sleeper' })
    await sleeper.hears('claimed')
    await world.drained(sleeper)
    const points = sleeper.told.flatMap((said) => (said.say === 'point' ? said.point : []))
    const before = sleeper.told.length
    const other = world.run({ strategy, member: 'other' })
    await other.hears('claimed')
    await sleeper.hears('lost', before)

    // It claims when it wakes, so that is when it is stopped at a point of a claim.
    const claiming = points.filter((point) => point.startsWith('claim.'))
    const working = points.filter((point) => !point.startsWith('claim.'))
    for (const [i, point] of working.entries()) {
      sleeper.arm({ point, visit: 1 + (i % 2), signal: 'SIGSTOP' })
      await keptBusy(world, sleeper, point)
      await replaced(world, { sleeper, other }, point)
      const claim = claiming.shift()
      if (claim !== undefined) {
        sleeper.arm({ point: claim, visit: 1, signal: 'SIGSTOP' })
        sleeper.signal('SIGCONT')
        await replaced(world, { sleeper, other }, claim)
      }
      const since = sleeper.told.length
      sleeper.signal('SIGCONT')
      await sleeper.hears('claimed', since)
      await world.check(`after it woke up at ${claim ?? point}`)
    }
    await world.produce(RECORDS)
    await world.drained(sleeper, other)
    for (const process of [sleeper, other]) {
      process.signal('SIGTERM')
      await process.endsWith(0)
    }
    await world.checkComplete('after the last stop')
  },
}

/**
 * Produces until `sleeper` has come by `point`: while the two of them divide the partitions anew, the other one may do
 * everything that there was.
 */
async function keptBusy(world: ContractWorld, sleeper: ContractProcess, point: string): Promise<void> {
  let isThere = false
  const met = sleeper.meets(point).then(() => {
    isThere = true
  })
  while (!isThere) {
    await world.produce(RECORDS)
    await Promise.race([met, systemClock.sleep(REFILL_MS)])
  }
}

/** Resolves when `sleeper` is stopped and the other member has done everything, its share of it too. */
async function replaced(
  world: ContractWorld,
  { sleeper, other }: Readonly<Record<'sleeper' | 'other', ContractProcess>>,
  point: string,
): Promise<void> {
  await sleeper.meets(point)
  await sleeper.stopped()
  // To every partition: what is left for the other one to do may have been nothing.
  await world.produce(RECORDS / 4)
  await world.drained(other)
  await world.check(`while it was stopped at ${point}`)
}
