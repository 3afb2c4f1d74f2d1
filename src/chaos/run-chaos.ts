import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { VerifyReport } from '../check/conclusion.ts'
import { verifyJob } from '../check/verify-job.ts'
import type { LedgerRow } from '../database/dialect.ts'
import { inSnapshot } from '../database/in-snapshot.ts'
import { OncesinkError } from '../errors.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { createDialect, createLogToCheck } from '../wire.ts'
import { type CheckResult, LogRecords, runCheck } from './checks.ts'
import { drained } from './drained.ts'
import { type ChosenFaults, chooseFaults } from './endings.ts'
import { judge } from './judge.ts'
import { lastWords } from './life/life.ts'
import type { LifeEnd } from './life/life-process.ts'
import { needsCluster } from './nemeses/index.ts'
import type { Nemesis } from './nemesis.ts'
import { Observer } from './observer.ts'
import type { ChaosOptions } from './options.ts'
import { replayCommand } from './replay-command.ts'
import type { ChaosResult } from './result.ts'
import { Schedule } from './schedule.ts'
import { type ChaosWorld, setUp } from './setup.ts'
import { storm } from './storm.ts'

const DEFAULT_DURATION_MS = 60_000
const DEFAULT_DRAIN_MS = 60_000
/** How long the job has for its first commit, before any fault. */
const FIRST_COMMIT_MS = 60_000
const MEMBERS = 'abcdefghijklmnopqrstuvwxyz'
const CLUSTER_NODES = 3
const STATUS_MS = 500

/**
 * Runs a job in processes of its own on real servers, harms all of them in an order that a seed decides, and then proves,
 * or does not, that every record counts exactly once.
 * @throws OncesinkError CONFIGURATION_INVALID for options, a job or servers that cannot be used; what the job ended with
 *   where it could not even begin; the signal's reason when it is aborted
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const signal = options.signal ?? new AbortController().signal
  signal.throwIfAborted()
  const seed = options.seed ?? randomInt(2 ** 32)
  const wanted = chooseFaults(options.faults)
  const { onProgress = () => {} } = options
  const world = await setUp({
    ...options,
    seed,
    signal,
    brokers: needsCluster(wanted.nemeses) && !options.servers ? CLUSTER_NODES : 1,
  })
  const stopWhenAborted = () => void world.lives.killAll()
  signal.addEventListener('abort', stopWhenAborted, { once: true })
  try {
    const result = await run(world, options, wanted)
    signal.throwIfAborted()
    return result
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', stopWhenAborted)
    onProgress('ending the servers')
    await world.close()
  }
}

async function run(world: ChaosWorld, options: ChaosOptions, wanted: ChosenFaults): Promise<ChaosResult> {
  const { history, lives, stream } = world
  const { onProgress = () => {}, intensity = 'medium', durationMs = DEFAULT_DURATION_MS } = options
  const reasons = new Map(wanted.nemeses.map((nemesis) => [nemesis, nemesis.unfit?.(world) ?? null]))
  const fit = wanted.nemeses.filter((nemesis) => reasons.get(nemesis) === null)
  if (fit.length + wanted.endings.length === 0) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `none of the faults can be injected here:\n${[...reasons].map(([{ name }, why]) => `  ${name}: ${why}`).join('\n')}`,
    )
  }
  await begin(world, onProgress)
  const observer = world.witness === null ? null : new Observer(world, world.witness)
  observer?.start()
  history.add({ kind: 'phase', name: 'faults' })
  if (fit.length > 0) {
    const names = fit.map(({ name }) => name).join(', ')
    onProgress(`injecting faults for ${durationMs / 1_000} s (seed ${world.seed}): ${names}`)
    const stopTelling = tellStatus(world, durationMs, options)
    try {
      await storm(world, new Schedule(fit, world.seed), { endMs: history.nowMs + durationMs, intensity })
    } finally {
      stopTelling()
    }
  }
  world.signal.throwIfAborted()

  history.add({ kind: 'phase', name: 'healed' })
  await stream.stop()
  onProgress('everything is healed; waiting until all records are committed')
  const drainMs = options.drainMs ?? DEFAULT_DRAIN_MS
  const healedMs = history.nowMs
  const drainedAfterMs = (await drained(world, drainMs)) ? history.nowMs - healedMs : null
  await observer?.stop()
  const badEnds = (await lives.stopAll()).flatMap(badEnd)
  await observer?.look()
  world.signal.throwIfAborted()

  history.add({ kind: 'phase', name: 'proof' })
  onProgress('reading the log again and comparing')
  const proof = await prove(world, onProgress)
  const { sent } = stream
  const found = await end(world, wanted, onProgress)
  const judgement = judge({
    history,
    unexpected: lives.unexpected,
    ...proof,
    drainedAfterMs,
    drainMs,
    rewound: history.faults.has('failover'),
    found,
    badEnds,
  })
  const { verify, checks } = proof
  return {
    job: world.job.name,
    jobFile: options.job,
    engine: world.database.engine,
    ...judgement,
    seed: world.seed,
    intensity,
    faults: [...wanted.nemeses, ...wanted.endings].map((fault) => ({
      name: fault.name,
      title: fault.title,
      count: history.faults.get(fault.name) ?? 0,
      unfit: reasons.get(fault as Nemesis) ?? null,
    })),
    injected: history.faultCount,
    lost: most(
      verify.lost,
      checks.map(({ missing }) => missing),
    ),
    duplicated: most(
      verify.duplicated,
      checks.map(({ unexpected }) => unexpected),
    ),
    sent,
    recordsReplayed: verify.recordsReplayed,
    batches: verify.chain.batches,
    commits: history.commits,
    lives: lives.begun,
    looks: observer?.looks ?? 0,
    drainedAfterMs,
    checks,
    verify,
    durationMs: history.nowMs,
    versions: world.versions,
    replay: replayCommand(options, world.seed),
    history: history.entries,
  }
}

/** @returns what ends it */
function tellStatus(
  { history, lives }: ChaosWorld,
  durationMs: number,
  { onStatus }: ChaosOptions,
): () => void {
  if (!onStatus) return () => {}
  const beganMs = history.nowMs
  let lastFault: string | null = null
  const stopListening = history.listen((entry) => {
    if (entry.kind === 'fault') lastFault = `${entry.nemesis}: ${entry.detail}`
  })
  const tell = () =>
    onStatus({
      elapsedMs: history.nowMs - beganMs,
      durationMs,
      faults: history.faultCount,
      commits: history.commits,
      records: history.records,
      lives: lives.begun,
      lastFault,
    })
  const timer = setInterval(tell, STATUS_MS)
  return () => {
    clearInterval(timer)
    stopListening()
    tell()
  }
}

/** What the tables say, or what the user's checks do where that is more. */
function most(verified: bigint | null, checked: readonly number[]): number | null {
  if (verified === null && checked.length === 0) return null
  return Math.max(Number(verified ?? 0), ...checked)
}

/** What the job must halt at, when all else was proven. */
async function end(
  world: ChaosWorld,
  { endings }: ChosenFaults,
  onProgress: (message: string) => void,
): Promise<{ class: string; message: string }[]> {
  const found: { class: string; message: string }[] = []
  if (endings.length > 0) world.history.add({ kind: 'phase', name: 'endings' })
  for (const { name, title, run: harm } of endings) {
    onProgress(`${name}: ${title}`)
    const wrong = await harm(world)
    world.signal.throwIfAborted()
    if (wrong !== null) found.push({ class: 'not-halted', message: `${name}: ${wrong}` })
  }
  return found
}

/** Lets the job do its first work undisturbed: what cannot run at all is no chaos's fault. */
async function begin(world: ChaosWorld, onProgress: (message: string) => void): Promise<void> {
  const { history, lives, stream, signal } = world
  history.add({ kind: 'phase', name: 'start' })
  await stream.start()
  onProgress(`starting ${world.members} ${world.members === 1 ? 'process' : 'processes'} of the job`)
  for (let i = 0; i < world.members; i++) lives.join(MEMBERS[i] ?? `m${i}`)
  for (;;) {
    signal.throwIfAborted()
    if (history.commits > 0 && lives.working.length > 0) return
    const [ended] = lives.unexpected
    if (ended) {
      throw new OncesinkError(
        'CONFIGURATION_INVALID',
        `the job ended by itself before any fault was injected:\n${ended.words}`,
      )
    }
    if (history.nowMs > FIRST_COMMIT_MS) {
      throw new OncesinkError(
        'CONFIGURATION_INVALID',
        `the job has committed nothing within ${FIRST_COMMIT_MS / 1_000} s, without any fault; does it read what the run sends (${world.recordOrigin})?`,
      )
    }
    await sleep(20)
  }
}

function badEnd(end: LifeEnd): string[] {
  if (end.code === 0) return []
  return [
    `after SIGTERM a process ended with ${end.signal ?? `exit code ${end.code}`} instead of 0: ${lastWords(end)}`,
  ]
}

interface Proof {
  readonly verify: VerifyReport
  readonly ledger: readonly LedgerRow[]
  readonly checks: readonly CheckResult[]
  readonly acknowledged: ReadonlySet<string>
}

async function prove(world: ChaosWorld, onProgress: (message: string) => void): Promise<Proof> {
  const { job, spec, signal } = world
  const checks = spec.checks ?? []
  const records = new LogRecords()
  const verify = await verifyJob({
    job,
    dialect: createDialect(job, systemRuntime),
    source: createLogToCheck(job, systemRuntime),
    runtime: systemRuntime,
    onProgress,
    signal,
    writesChecked: checks.length > 0,
    digestsExpected: true,
    ...(checks.length > 0 && { onRange: (fetched) => records.add(fetched) }),
  })
  const sorted = records.sorted()
  const results: CheckResult[] = []
  for (const check of checks) results.push(await runCheck(world, check, sorted))
  const acknowledged = new Set(world.lives.acknowledged)
  return { verify, ledger: await readLedger(world), checks: results, acknowledged }
}

async function readLedger({ job }: ChaosWorld): Promise<LedgerRow[]> {
  const connection = await createDialect(job, systemRuntime).connect({ job: 'chaos', owner: 'chaos' })
  try {
    return await inSnapshot(connection, (trx) => trx.readLedger(job.name))
  } finally {
    await connection.close()
  }
}
