import { type Engine, startDatabase, startKafka } from '../../src/services/index.ts'
import { simulateSeeds } from '../simulation/simulate.ts'
import { applyMutant } from './apply.ts'
import { type Copy, copyProject } from './copy.ts'
import type { Mutant } from './mutant.ts'
import { mutants as allMutants } from './mutants.ts'
import { runTests, type TestRun } from './run-tests.ts'

export interface RunMutantsOptions {
  /** @default all of them */
  readonly mutants?: readonly Mutant[]
  /** How many are worked on at a time, each in a copy of its own. @default 2 */
  readonly workers?: number
  /** Aborted to end early; the report is then of what has run. */
  readonly signal?: AbortSignal
  readonly onStart?: (mutant: Mutant) => void
  /** Called after every mutant. */
  readonly onResult?: (result: MutantResult, done: number, total: number) => void
  /** What is being waited for, for people to read. */
  readonly onProgress?: (message: string) => void
}

/**
 * What became of one mutant:
 * - `killed`: its killer is green without it, and red with it;
 * - `survived`: its killer is green with it;
 * - `invalid`: nothing is proven: it does not apply, cannot be run, or its killer is red without it.
 */
export interface MutantResult {
  readonly mutant: Mutant
  readonly outcome: 'killed' | 'survived' | 'invalid'
  /** The seed or the test that has killed it, or what is wrong. */
  readonly by: string
  readonly elapsedMs: number
}

export interface MutantsReport {
  readonly total: number
  readonly killed: number
  /** Names of those that survived. */
  readonly survivors: readonly string[]
  /** In the order of the list; fewer than {@link total} where it was ended early. */
  readonly results: readonly MutantResult[]
}

interface Verdict {
  readonly outcome: MutantResult['outcome']
  readonly by: string
}

/**
 * Makes each mutant of a copy of the project, and looks whether its killer notices. That the killer is green without the
 * mutant is looked at, too: a seed in the same copy, a test in one that is never changed.
 */
export async function runMutants(options: RunMutantsOptions = {}): Promise<MutantsReport> {
  const { mutants = allMutants, workers = 2, signal = new AbortController().signal } = options
  const services = mutants.some(({ killedBy }) => killedBy.kind === 'integration')
    ? await startServices(options.onProgress)
    : null
  const results: MutantResult[] = []
  const queue = [...mutants]
  const unchanged = await copyProject()
  const env = services?.env ?? process.env
  const around = { env, signal, withoutMutant: testsWithoutMutant(mutants, unchanged, env, signal) }
  const lane = async () => {
    const copy = await copyProject()
    try {
      for (let mutant = queue.shift(); mutant && !signal.aborted; mutant = queue.shift()) {
        options.onStart?.(mutant)
        const beganAt = performance.now()
        const verdict = await judge(mutant, copy, around)
        if (signal.aborted) break
        const result = { mutant, ...verdict, elapsedMs: performance.now() - beganAt }
        results.push(result)
        options.onResult?.(result, results.length, mutants.length)
      }
    } finally {
      await copy.remove()
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.max(1, Math.min(workers, mutants.length)) }, lane))
  } finally {
    await unchanged.remove()
    await services?.stop()
  }
  results.sort((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant))
  const named = (outcome: MutantResult['outcome']) =>
    results.filter((result) => result.outcome === outcome).map(({ mutant }) => mutant.name)
  return { total: mutants.length, killed: named('killed').length, survivors: named('survived'), results }
}

interface Surroundings {
  readonly env: NodeJS.ProcessEnv
  readonly signal: AbortSignal
  /** Every killer of a file, run without any mutant. */
  readonly withoutMutant: (file: string) => Promise<TestRun>
}

/** Each file is run once, with the killers of all mutants that it has. */
function testsWithoutMutant(
  mutants: readonly Mutant[],
  { root }: Copy,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Surroundings['withoutMutant'] {
  const runs = new Map<string, Promise<TestRun>>()
  return (file) => {
    const killers = mutants.flatMap(({ killedBy }) =>
      killedBy.kind !== 'simulation' && killedBy.file === file ? [killedBy] : [],
    )
    const project = killers[0]?.kind ?? 'unit'
    const tests = killers.map(({ test }) => test)
    const run = runs.get(file) ?? runTests({ root, project, files: [file], tests, bail: false, env, signal })
    runs.set(file, run)
    return run
  }
}

async function judge(mutant: Mutant, copy: Copy, around: Surroundings): Promise<Verdict> {
  try {
    return mutant.killedBy.kind === 'simulation'
      ? await bySimulation(mutant, mutant.killedBy.seeds, copy, around.signal)
      : await byTests(mutant, mutant.killedBy, copy, around)
  } catch (error) {
    return { outcome: 'invalid', by: error instanceof Error ? error.message : String(error) }
  }
}

async function bySimulation(
  mutant: Mutant,
  seeds: number,
  { root }: Copy,
  signal: AbortSignal,
): Promise<Verdict> {
  const wanted = { src: `${root}/src`, workers: 1, stopAtFirst: true, explain: 0, signal }
  const takeBack = await applyMutant(root, mutant)
  const { failures } = await simulateSeeds({ ...wanted, seeds }).finally(takeBack)
  const [failure] = failures
  if (!failure) return { outcome: 'survived', by: `${seeds} seeds are green with it` }
  const { seed, violations } = failure
  const without = await simulateSeeds({ ...wanted, from: seed, seeds: 1 })
  if (without.failures.length > 0) return { outcome: 'invalid', by: `seed ${seed} fails without it, too` }
  return { outcome: 'killed', by: `seed ${seed}: ${violations[0] ?? ''}` }
}

async function byTests(
  mutant: Mutant,
  { kind, file, test }: Exclude<Mutant['killedBy'], { kind: 'simulation' }>,
  { root }: Copy,
  { env, signal, withoutMutant }: Surroundings,
): Promise<Verdict> {
  const takeBack = await applyMutant(root, mutant)
  const wanted = { root, project: kind, files: [file], tests: [test], bail: true, env, signal }
  const mutated = await runTests(wanted).finally(takeBack)
  if (mutated.notLoaded.length > 0)
    return { outcome: 'invalid', by: `${file} cannot be run with it: ${mutated.notLoaded[0] ?? ''}` }
  if (mutated.passed.length + mutated.failed.length === 0)
    return { outcome: 'invalid', by: `${file} has no test '${test}'` }
  const [killer] = mutated.failed
  if (killer === undefined) return { outcome: 'survived', by: `${file}: '${test}' is green with it` }
  if (!(await withoutMutant(file)).passed.includes(killer))
    return { outcome: 'invalid', by: `${file}: '${killer}' fails without it, too` }
  return { outcome: 'killed', by: `${file}: ${killer}` }
}

interface Services {
  readonly env: NodeJS.ProcessEnv
  stop(): Promise<void>
}

/** One of each server for all tests: those that the environment names, or new ones. */
async function startServices(onProgress: (message: string) => void = () => {}): Promise<Services> {
  const engines: readonly Engine[] = ['postgres', 'mysql', 'mariadb']
  const starts = await Promise.allSettled([
    startKafka({ onProgress }),
    ...engines.map((engine) => startDatabase(engine, { onProgress })),
  ])
  const started = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  const stop = async () => {
    await Promise.all(started.map((service) => service.stop()))
  }
  const failed = starts.find((start) => start.status === 'rejected')
  if (failed) {
    await stop()
    throw failed.reason
  }
  const env: NodeJS.ProcessEnv = { ...process.env }
  for (const service of started) {
    if ('brokers' in service) env.ONCESINK_KAFKA_BROKERS = service.brokers.join(',')
    else env[`ONCESINK_${service.engine.toUpperCase()}_URL`] = service.url
  }
  return { env, stop }
}
