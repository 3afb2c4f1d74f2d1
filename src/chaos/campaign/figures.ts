import { type Engine, engines } from '../../services/index.ts'
import { brokerKills } from './broker-kills.ts'
import type { CampaignContext, CampaignOutcome } from './campaign.ts'
import { controls } from './controls.ts'
import { databaseKills } from './database-kills.ts'
import { jobKills } from './job-kills.ts'
import { lostCommits } from './lost-commits.ts'
import { zombies } from './zombies.ts'

/** A figure that is to be reached by a campaign on real services. */
export interface Figure {
  readonly name: FigureName
  /** Its row in the table. */
  readonly title: string
  readonly target: number
  /** With `--long`. */
  readonly longTarget: number
  /**
   * `each`: the target is one engine's; `shared`: it is the sum over all engines, which share it evenly; `first`: it does
   * not matter which, so the first one that was chosen does it.
   */
  readonly per: 'each' | 'shared' | 'first'
  /** Campaigns of one track follow one another; tracks run side by side. */
  readonly track: Track
  /** About how many seconds it takes on two cores, for one engine. */
  readonly seconds: number
  readonly run: (context: CampaignContext) => Promise<CampaignOutcome>
}

/** The first two keep the processors busy, each in its own way; the others spend their time waiting. */
export const tracks = ['commits', 'kills', 'waiting'] as const
export type Track = (typeof tracks)[number]

export const figureNames = [
  'lost-commits',
  'job-kills',
  'database-kills',
  'zombies',
  'broker-kills',
  'controls',
] as const
export type FigureName = (typeof figureNames)[number]

export const figures: readonly Figure[] = [
  {
    name: 'lost-commits',
    title: 'COMMIT answers lost',
    target: 5_000,
    longTarget: 100_000,
    per: 'each',
    track: 'commits',
    seconds: 250,
    run: lostCommits,
  },
  {
    name: 'job-kills',
    title: 'SIGKILL of the job',
    target: 500,
    longTarget: 15_000,
    per: 'each',
    track: 'kills',
    seconds: 150,
    run: jobKills,
  },
  {
    name: 'database-kills',
    title: 'SIGKILL of the database',
    target: 25,
    longTarget: 1_000,
    per: 'each',
    track: 'waiting',
    seconds: 100,
    run: databaseKills,
  },
  {
    name: 'zombies',
    title: 'SIGSTOP zombies woken after their partitions moved',
    target: 50,
    longTarget: 2_000,
    per: 'shared',
    track: 'waiting',
    seconds: 60,
    run: zombies,
  },
  {
    name: 'broker-kills',
    title: 'SIGKILL of a broker',
    target: 10,
    longTarget: 500,
    per: 'first',
    track: 'waiting',
    seconds: 200,
    run: brokerKills,
  },
  {
    name: 'controls',
    title: 'kills of the negative controls',
    target: 10,
    longTarget: 100,
    per: 'each',
    track: 'waiting',
    seconds: 60,
    run: controls,
  },
]

/** One campaign: a figure, or one engine's share of it. */
export interface Task {
  readonly figure: Figure
  readonly engine: Engine
  readonly target: number
}

export interface Selection {
  readonly only: readonly FigureName[]
  readonly engines: readonly Engine[]
  /** Factor of every target; no target falls below 1. */
  readonly scale: number
  readonly long: boolean
}

/** What is to be run, in the order of the table. */
export function tasksOf(selection: Selection): Task[] {
  return figures
    .filter(({ name }) => selection.only.includes(name))
    .flatMap((figure) => {
      const whole = Math.max(
        1,
        Math.round((selection.long ? figure.longTarget : figure.target) * selection.scale),
      )
      const chosen = engines.filter((engine) => selection.engines.includes(engine))
      const each = chosen.map((engine, i) => {
        // The first ones take what is left over.
        const share = Math.floor(whole / chosen.length) + (i < whole % chosen.length ? 1 : 0)
        return { figure, engine, target: figure.per === 'shared' ? share : whole }
      })
      return (figure.per === 'first' ? each.slice(0, 1) : each).filter(({ target }) => target > 0)
    })
}
