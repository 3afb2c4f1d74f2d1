import { OncesinkError } from '../../errors.ts'
import { nearestWord } from '../../model/nearest-word.ts'
import type { Nemesis } from '../nemesis.ts'
import { brokerKill, controllerLoss, leaderMove } from './broker.ts'
import { answerLost, commitLost } from './commit.ts'
import { databaseKill, deadlock, diskFull } from './database.ts'
import { partitionsAdded, poison, rebalanceStorm, transactions } from './log.ts'
import { halfOpen, reset, slow, throttle } from './network.ts'
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
  reset,
  halfOpen,
  slow,
  throttle,
  databaseKill,
  diskFull,
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

/**
 * @param names those that are wanted, or `all`; by default all that one broker is enough for
 * @throws OncesinkError CONFIGURATION_INVALID for a name that there is not
 */
export function chooseNemeses(names?: readonly string[]): readonly Nemesis[] {
  if (names === undefined) return nemeses.filter((nemesis) => !ofCluster.includes(nemesis))
  if (names.includes('all')) return nemeses
  const known = nemeses.map(({ name }) => name)
  for (const name of names) {
    if (known.includes(name)) continue
    const meant = nearestWord(name, known)
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `there is no fault '${name}'${meant === null ? '' : `; is '${meant}' meant?`} There are: ${known.join(', ')}, all`,
    )
  }
  return nemeses.filter(({ name }) => names.includes(name))
}
