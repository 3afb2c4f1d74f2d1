import { startTcpProxy } from '../../../chaos/tcp-proxy.ts'
import type { Scenario } from './scenario.ts'

const RECORDS = 120

/** COMMITs that must have been cut in each of the two ways. */
const CUTS = 6

type Fate = 'pass' | 'cutBeforeCommit' | 'cutAfterCommit'

/** What happens to the COMMITs of batches, and of claims, one after another, and again from the beginning. */
const fates: Readonly<Record<'batch' | 'claim', readonly Fate[]>> = {
  batch: ['pass', 'cutAfterCommit', 'pass', 'cutBeforeCommit'],
  claim: ['pass', 'pass', 'cutAfterCommit', 'pass', 'pass', 'cutBeforeCommit'],
}

/** A proxy cuts connections at COMMITs: before the server has heard it, and after it has executed it. */
export const commits: Scenario = {
  name: 'COMMITs that never arrive are run again, and those whose answer is lost are not',
  async run(world, strategy) {
    const isPostgres = world.engine === 'postgres'
    const url = new URL(world.databaseUrl)
    const proxy = await startTcpProxy({
      target: { host: url.hostname, port: Number(url.port || (isPostgres ? 5432 : 3306)) },
      protocol: isPostgres ? 'postgres' : 'mysql',
    })
    try {
      url.host = `${proxy.host}:${proxy.port}`
      const { injected } = proxy
      const due = () => injected.cutBeforeCommit < CUTS || injected.cutAfterCommit < CUTS
      const seen = { batch: 0, claim: 0 }
      const process = world.run({
        strategy,
        databaseUrl: url.href,
        onCommit: (what) => {
          const fate = fates[what][seen[what]++ % fates[what].length]
          if (fate !== undefined && fate !== 'pass' && due()) proxy[fate]()
        },
      })
      do {
        // A search for a record that the database rejects has many transactions, and each that is cut delays it.
        await world.produce(RECORDS, ['throws'])
        await world.drained(process)
      } while (due())
      process.signal('SIGTERM')
      await process.endsWith(0)
      const { cutBeforeCommit, cutAfterCommit } = injected
      await world.checkComplete(`after ${cutBeforeCommit} lost COMMITs and ${cutAfterCommit} lost answers`)
    } finally {
      await proxy.close()
    }
  },
}
