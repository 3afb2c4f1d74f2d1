import { performance } from 'node:perf_hooks'
import process from 'node:process'
import { SeededRandom } from '../runtime/seeded-random.ts'
import { databaseNames } from '../services/index.ts'
import { CommitWatch, summary } from './commit-watch.ts'
import { readTotals } from './database.ts'
import { runVerify } from './job-process.ts'
import { killMoments } from './kill-schedule.ts'
import { Lives } from './lives.ts'
import type { DemoOptions } from './options.ts'
import { OrderProducer, recordsInTopic } from './producer.ts'
import { type DemoOutput, grouped, LiveLine } from './progress.ts'
import { conclude, type DemoResult, verifySummary } from './proof.ts'
import { type DemoServers, startServers } from './servers.ts'
import { ExpectedTotals } from './totals.ts'
import { version } from './version.ts'

/** About how long the records of one life take to produce. */
const LIFE_MS = 900
/** How many of them are there for its first commit; the others follow while it works. */
const FIRST_COMMIT_SHARE = 0.4
/** When everything was produced, the job has this long to commit the rest. */
const DRAIN_BOUND_MS = 60_000

/** What surrounds a run: the command line, or a test. */
export interface DemoHooks {
  readonly output: DemoOutput
  /** Aborting it ends the demo; nothing is left running. */
  readonly signal: AbortSignal
  /** Called when the job has ended and before anything is compared. */
  readonly beforeProof?: (servers: DemoServers) => Promise<void>
  /** Called with the result while the servers are still there. */
  readonly afterProof?: (result: DemoResult, servers: DemoServers) => Promise<void>
}

/**
 * The whole demo: servers, orders, a job that is killed again and again, the proof.
 * @throws what keeps it from running, and the signal's reason when it is aborted
 */
export async function runDemo(options: DemoOptions, hooks: DemoHooks): Promise<DemoResult> {
  const startedMs = performance.now()
  const line = new LiveLine(hooks.output)
  const { title } = databaseNames[options.engine]
  line.note(`starting Kafka and ${title} ...`)
  const servers = await startServers(options.engine, (message) => line.note(`  ${message}`))
  try {
    hooks.signal.throwIfAborted()
    line.note(`Kafka ${servers.versions.kafka} and ${title} ${servers.versions[options.engine]} are ready`)
    const totals = new ExpectedTotals()
    const run = await produceAndKill(options, hooks, servers, totals, line)
    await hooks.beforeProof?.(servers)
    line.note('comparing the table with what was produced, and with the log ...')
    const result = conclude({
      engine: options.engine,
      seed: options.seed,
      records: options.records,
      ofKills: options.kills,
      ...run,
      inTopic: await recordsInTopic(servers.brokers, servers.topic),
      table: totals.compare(await readTotals(servers.engine, servers.databaseUrl)),
      verify: verifySummary(await runVerify(servers.env, hooks.signal)),
      durationMs: performance.now() - startedMs,
      versions: { oncesink: version(), node: process.versions.node, ...servers.versions },
    })
    await hooks.afterProof?.(result, servers)
    return result
  } finally {
    line.end()
    await servers.close()
  }
}

async function produceAndKill(
  options: DemoOptions,
  hooks: DemoHooks,
  servers: DemoServers,
  totals: ExpectedTotals,
  line: LiveLine,
) {
  const { records, kills, seed } = options
  const perLife = Math.floor(records / (kills + 1))
  const { brokers, topic } = servers
  const ratePerSecond = (perLife / LIFE_MS) * 1_000
  const producer = new OrderProducer({ brokers, topic, records, seed, ratePerSecond, totals })
  const watch = new CommitWatch()
  // What fails on one side ends the other.
  const failed = new AbortController()
  const signal = AbortSignal.any([hooks.signal, failed.signal])
  const onTick = () => {
    const share = watch.commitsOfLife > 0 ? 1 : FIRST_COMMIT_SHARE
    producer.allow(Math.ceil(perLife * (lives.kills + share)))
    const { produced } = producer
    line.show({ records, produced, committed: watch.committed, kills: lives.kills, ofKills: kills })
  }
  const lives = new Lives({ env: servers.env, watch, signal, onTick })
  line.note(
    `producing ${grouped(records)} orders (seed ${seed}) while the job is killed with SIGKILL ${kills} times:`,
  )

  const killing = async () => {
    // A chance of its own: how many orders were drawn does not move the kills.
    for (const moment of killMoments(new SeededRandom(seed ^ 0x5bd1e995))) {
      if (lives.kills === kills) break
      await lives.liveAndKill(moment)
    }
    producer.release()
    const done = () => producer.produced === records && watch.committed >= records
    return lives.liveUntil(done, DRAIN_BOUND_MS)
  }
  const abortOnFailure = <T>(work: Promise<T>) =>
    work.catch((error: unknown) => {
      failed.abort(error)
      throw error
    })
  const settled = await Promise.allSettled([abortOnFailure(producer.run(signal)), abortOnFailure(killing())])
  line.end()
  hooks.signal.throwIfAborted()
  failed.signal.throwIfAborted()
  const restarts = summary(watch.restartsMs)
  const processStart = summary(watch.processStartsMs)?.median ?? 0
  return {
    produced: producer.produced,
    kills: lives.kills,
    killsWhileStarting: lives.killsWhileStarting,
    drained: settled[1].status === 'fulfilled' && settled[1].value,
    restartMs: restarts && { ...restarts, processStart },
  }
}
