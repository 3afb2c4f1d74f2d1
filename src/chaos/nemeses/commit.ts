import type { Nemesis } from '../nemesis.ts'
import type { CommitFault } from '../tcp-proxy.ts'
import { until } from './wait.ts'

const BOUND_MS = 6_000

/** The COMMIT does not reach the server: the batch must be run again. */
export const commitLost = atCommit('commit-lost', 'cutBeforeCommit', {
  title: 'COMMIT is not delivered, the connection is reset',
  detail: 'COMMIT was not delivered',
})

/** The server has committed and nobody hears of it: the batch must not be run again. */
export const answerLost = atCommit('answer-lost', 'cutAfterCommit', {
  title: 'COMMIT is executed, its answer is lost',
  detail: 'COMMIT was executed, its answer was not delivered',
})

function atCommit(
  name: string,
  fault: CommitFault,
  { title, detail }: { readonly title: string; readonly detail: string },
): Nemesis {
  return {
    name,
    title,
    realm: 'network',
    async inject(world, random) {
      const { proxy } = world.database
      const before = proxy.injected[fault]
      const times = random.integer(1, 3)
      if (fault === 'cutBeforeCommit') proxy.cutBeforeCommit(times)
      else proxy.cutAfterCommit(times)
      let counted = 0
      const count = () => {
        for (; counted < proxy.injected[fault] - before; counted++) {
          world.history.fault(name, detail)
        }
      }
      const allDone = () => {
        count()
        return counted >= times
      }
      await until(world, allDone, BOUND_MS)
    },
    async heal(world) {
      world.database.proxy.forget()
    },
  }
}
