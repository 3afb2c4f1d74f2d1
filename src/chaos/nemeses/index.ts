import type { Nemesis } from '../nemesis.ts'
import { brokerKill, controllerLoss, leaderMove } from './broker.ts'
import { answerLost, commitLost } from './commit.ts'
import { databaseKill, deadlock } from './database.ts'
import { diskFull } from './disk-full.ts'
import { failover } from './failover.ts'
import { partitionsAdded, poison, rebalanceStorm, transactions } from './log.ts'
import { network } from './network.ts'
import { clockJump, kill, killAtPoint, starve, stop, workerCrash } from './process.ts'

/** What needs three brokers. */
const ofCluster: readonly Nemesis[] = [brokerKill, controllerLoss, leaderMove]

/** All that there are, in the order in which they are shown. */
export const nemeses: readonly Nemesis[] = [
  kill,
  killAtPoint,
  stop,
  workerCrash,
  commitLost,
  answerLost,
  ...network,
  databaseKill,
  diskFull,
  failover,
  deadlock,
  rebalanceStorm,
  transactions,
  poison,
  partitionsAdded,
  clockJump,
  starve,
  ...ofCluster,
]

export function needsCluster(chosen: readonly Nemesis[]): boolean {
  return chosen.some((nemesis) => ofCluster.includes(nemesis))
}
