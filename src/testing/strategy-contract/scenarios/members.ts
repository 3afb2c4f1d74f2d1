import type { Scenario } from './scenario.ts'

const RECORDS = 160

/** A member joins while another works, takes over from one that is killed, and hands over when it leaves. */
export const members: Scenario = {
  name: 'members that join, are killed and leave hand partitions over without losing or repeating a record',
  async run(world, strategy) {
    await world.produce(RECORDS)
    const first = world.run({ strategy, member: 'first' })
    await first.hears('batch')
    await world.produce(RECORDS)
    const second = world.run({ strategy, member: 'second' })
    await second.hears('claimed')
    await world.check('after a member has joined')

    first.arm({ point: 'transaction.rows-written', visit: 2, signal: 'SIGKILL' })
    await world.produce(RECORDS)
    await first.endsWith('SIGKILL')
    await world.produce(RECORDS)
    await world.drained(second)
    await world.check('after the other member has taken over from one that was killed')

    const third = world.run({ strategy, member: 'third' })
    await third.hears('claimed')
    await world.produce(RECORDS)
    second.signal('SIGTERM')
    await second.endsWith(0)
    await world.produce(RECORDS)
    await world.drained(third)
    third.signal('SIGTERM')
    await third.endsWith(0)
    await world.checkComplete('after all members have left')
  },
}
