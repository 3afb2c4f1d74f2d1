import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningJob, start } from '../../job/start.ts'
import { type Runtime, systemRuntime } from '../../runtime/runtime.ts'
import { SeededRandom } from '../../runtime/seeded-random.ts'
import { EventBus, type JobEvents } from '../../telemetry/events.ts'
import { type CommitFault, startTcpProxy, type TcpProxy } from '../tcp-proxy.ts'
import { Arena } from './arena.ts'
import type { CampaignContext, CampaignOutcome } from './campaign.ts'
import { JobFailed } from './job-failed.ts'
import { combined, type Verdict } from './verdict.ts'

/** Jobs side by side, each with a topic, a database and a proxy of its own. */
const LANES = 12
const RECORDS_PER_BATCH = 5
/** Records that are there ahead of what is committed, so that no batch waits for any. */
const AHEAD = 100
/** More than the group waits for a member that is gone. */
const DRAIN_BOUND_MS = 120_000
const LAST_EVENTS = 12
const POLL_MS = 20

/** What happens to the COMMIT of a batch, and to that of a claim; the rest is left alone. */
const chances = {
  batch: { cutAfterCommit: 0.9, cutBeforeCommit: 0.05 },
  claim: { cutAfterCommit: 0.01, cutBeforeCommit: 0.01 },
} as const

type Committer = keyof typeof chances

/**
 * COMMITs whose answer never arrives although the server has committed, and some that never arrive at all. The unit is a
 * batch whose COMMIT the server has executed and whose answer was thrown away; those of claims are counted apart.
 */
export async function lostCommits(context: CampaignContext): Promise<CampaignOutcome> {
  const { engine, servers, target, seed, signal } = context
  const serverUrl = await servers.database(engine)
  const kafka = await servers.kafka()
  const opened = await Promise.all(
    Array.from({ length: Math.min(LANES, target) }, async (_, i) => {
      const arena = await Arena.open({ engine, serverUrl, kafka })
      return Lane.open(arena, new SeededRandom(seed + i))
    }),
  )
  const counted = () => {
    const sum = (pick: (lane: Lane) => number) => opened.reduce((total, lane) => total + pick(lane), 0)
    return {
      reached: sum((lane) => lane.answersLost),
      counts: {
        'COMMITs never delivered': sum((lane) => lane.neverDelivered),
        'COMMITs of claims cut': sum((lane) => lane.claimsCut),
      },
    }
  }
  try {
    let isEnough = false
    const watching = (async () => {
      while (!isEnough && !signal.aborted) {
        const { reached, counts } = counted()
        context.onProgress(reached, counts)
        isEnough = reached >= target
        await sleep(POLL_MS)
      }
      isEnough = true
    })()
    const verdicts = await Promise.all(opened.map((lane) => lane.run(() => isEnough)))
    await watching
    return { ...counted(), verdict: combined(verdicts) }
  } finally {
    await Promise.all(opened.map((lane) => lane.close()))
  }
}

/** One job behind a proxy of its own. */
class Lane {
  readonly #arena: Arena
  readonly #proxy: TcpProxy
  readonly #random: SeededRandom
  #committer: Committer | null = null
  #calm = false
  /** COMMITs of claims that were to be cut, by fault. */
  readonly #ofClaims = { cutAfterCommit: 0, cutBeforeCommit: 0 }
  #running: RunningJob | null = null
  #committed = 0
  #foundCommitted = 0
  /** What the job has said last, for people. */
  readonly #lastEvents: string[] = []

  private constructor(arena: Arena, proxy: TcpProxy, random: SeededRandom) {
    this.#arena = arena
    this.#proxy = proxy
    this.#random = random
  }

  static async open(arena: Arena, random: SeededRandom): Promise<Lane> {
    const { hostname, port } = new URL(arena.url)
    const protocol = arena.engine === 'postgres' ? 'postgres' : 'mysql'
    const target = { host: hostname, port: Number(port || (protocol === 'mysql' ? 3306 : 5432)) }
    return new Lane(arena, await startTcpProxy({ target, protocol }), random)
  }

  get answersLost(): number {
    return this.#proxy.injected.cutAfterCommit - this.#ofClaims.cutAfterCommit
  }

  get neverDelivered(): number {
    return this.#proxy.injected.cutBeforeCommit - this.#ofClaims.cutBeforeCommit
  }

  get claimsCut(): number {
    return this.#ofClaims.cutAfterCommit + this.#ofClaims.cutBeforeCommit
  }

  /** Cuts COMMITs until `isEnough`, then lets the job commit everything, and checks it. */
  async run(isEnough: () => boolean): Promise<Verdict> {
    await this.#arena.produce(AHEAD)
    this.#proxy.decideAtCommit(() => this.#decide())
    const events = new EventBus<JobEvents>()
    events.on('batch', ({ records }) => {
      this.#committed += records
    })
    events.on('outcomeSettled', ({ committed }) => {
      if (committed) this.#foundCommitted += 1
    })
    this.#listen(events)
    const url = new URL(this.#arena.url)
    url.host = `${this.#proxy.host}:${this.#proxy.port}`
    const job = this.#arena.job({ url: url.href, maxRecords: RECORDS_PER_BATCH })
    const running = await start(job, { runtime: this.#runtime(), events })
    this.#running = running
    const failed = running.done.then(() => {
      throw new JobFailed('the job has ended by itself')
    })
    failed.catch(() => {})
    await Promise.race([this.#feed(isEnough), failed])
    this.#calm = true
    const where = `${this.#arena.engine}, topic ${this.#arena.topic}`
    const violations: string[] = []
    if (!(await Promise.race([this.#arena.drained(DRAIN_BOUND_MS), failed]))) {
      const said = this.#lastEvents.join('; ')
      violations.push(
        `${where}: ${DRAIN_BOUND_MS / 1_000} s after the last fault not all is committed; the job is ${running.state}: ${said}`,
      )
    }
    await running.stop()
    const verdict = await this.#arena.verify()
    if (this.#foundCommitted !== this.answersLost) {
      violations.push(
        `${where}: of ${this.answersLost} batches whose COMMIT was executed and not answered the job has found ${this.#foundCommitted} committed`,
      )
    }
    return { ...verdict, violations: [...verdict.violations, ...violations] }
  }

  #listen(events: EventBus<JobEvents>): void {
    const note = (text: string) => {
      this.#lastEvents.push(`${new Date().toISOString().slice(11, 23)} ${text}`)
      if (this.#lastEvents.length > LAST_EVENTS) this.#lastEvents.shift()
    }
    events.on('stateChanged', ({ to }) => note(to))
    events.on('claimed', () => note('claimed'))
    events.on('lost', () => note('lost'))
    events.on('batchFailed', ({ reason }) => note(`batch failed (${reason})`))
    events.on('retrying', ({ what, error, delayMs }) =>
      note(`${what} away, again in ${Math.round(delayMs)} ms: ${error.message}`),
    )
    events.on('recovered', ({ what }) => note(`${what} back`))
    events.on('warning', ({ message }) => note(message))
  }

  async #feed(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) {
      if (this.#arena.produced - this.#committed < AHEAD / 2) await this.#arena.produce(AHEAD)
      else await sleep(POLL_MS)
    }
  }

  #runtime(): Runtime {
    return {
      ...systemRuntime,
      faultPoints: {
        reach: async (point) => {
          if (point === 'transaction.ledger-written') this.#committer = 'batch'
          if (point === 'claim.before-commit') this.#committer = 'claim'
        },
      },
    }
  }

  #decide(): CommitFault | null {
    const committer = this.#committer
    this.#committer = null
    if (committer === null || this.#calm) return null
    const chance = this.#random.fraction()
    const { cutAfterCommit, cutBeforeCommit } = chances[committer]
    if (chance >= cutAfterCommit + cutBeforeCommit) return null
    const fault = chance < cutAfterCommit ? 'cutAfterCommit' : 'cutBeforeCommit'
    if (committer === 'claim') this.#ofClaims[fault] += 1
    return fault
  }

  async close(): Promise<void> {
    await this.#running?.stop().catch(() => {})
    await this.#proxy.close()
    await this.#arena.close()
  }
}
