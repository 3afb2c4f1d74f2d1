#!/usr/bin/env node
import { randomInt } from 'node:crypto'
import process from 'node:process'
import { asError, ExitCode, OncesinkError } from '../../errors.ts'
import { Interruption } from '../interruption.ts'
import { type Beside, conclude } from './conclusion.ts'
import { tasksOf } from './figures.ts'
import { Programs } from './lives/programs.ts'
import { runMutants } from './mutants.ts'
import { type ChaosOptions, helpText, parseOptions } from './options.ts'
import { Progress } from './progress.ts'
import { runCampaigns } from './run-campaigns.ts'
import { Servers } from './servers.ts'
import { simulate } from './simulation.ts'
import { reportText } from './table.ts'

/** To check, to print and to end the servers, after the last fault. */
const CLOSING_SECONDS = 20
/** Timers hold 31 bits of milliseconds. */
const MAX_SECONDS = 2_000_000

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  let options: ChaosOptions | null
  try {
    options = parseOptions(args, () => randomInt(2 ** 32))
  } catch (error) {
    process.stderr.write(`${asError(error).message}\n`)
    return ExitCode.usage
  }
  if (!options) {
    process.stdout.write(helpText)
    return ExitCode.ok
  }
  try {
    return await chaos(options)
  } catch (error) {
    const { message, stack } = asError(error)
    process.stderr.write(
      `it could not be run: ${error instanceof OncesinkError ? message : (stack ?? message)}\n`,
    )
    return ExitCode.failure
  }
}

async function chaos(options: ChaosOptions): Promise<number> {
  const began = performance.now()
  // With --json standard output carries the object and nothing else.
  const stream = options.json ? process.stderr : process.stdout
  const progress = new Progress((line) => {
    if (!interruption.isAtOnce) stream.write(`${line}\n`)
  })
  let beside: Promise<Beside> | null = null
  const interruption = new Interruption({
    onAsked: () =>
      progress.note(
        'ending the jobs, checking what was reached, and ending the servers (once more ends at once) ...',
      ),
    // They were told to end when this program was.
    endAtOnce: async () => beside,
  })
  const servers = new Servers((message) => progress.note(message))
  const programs = await Programs.build()
  try {
    const { seed, scale, long, minutes } = options
    progress.note(`seed ${seed}`)
    const { signal } = interruption
    const note = (text: string) => progress.note(text)
    const secondsLeft = () =>
      Math.max(1, minutes * 60 - CLOSING_SECONDS - (performance.now() - began) / 1_000)
    const over = AbortSignal.timeout(Math.ceil(Math.min(secondsLeft(), MAX_SECONDS) * 1_000))
    // What computes takes what the campaigns leave of the processors, all the time.
    const runBeside = async (): Promise<Beside> => {
      const context = { signal: AbortSignal.any([signal, over]), note }
      const mutants = options.beside.includes('mutants')
        ? await runMutants({ ...context, env: await servers.environment() })
        : null
      const simulation = options.beside.includes('simulation')
        ? await simulate({ scale, long, seed, ...context })
        : null
      return { mutants, simulation }
    }
    const running = runCampaigns({
      tasks: tasksOf(options),
      servers,
      programs,
      seed,
      seconds: secondsLeft(),
      signal,
      onProgress: (task, reached, counts) => progress.show(task, reached, counts),
      onResult: (result) => progress.done(result),
    })
    beside = runBeside()
    const [results, found] = await interruption.unlessAtOnce(Promise.all([running, beside]))
    const seconds = (performance.now() - began) / 1_000
    const report = conclude(results, found, { seed, seconds })
    stream.write(`\n${reportText(report)}\n`)
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    return report.exitCode
  } finally {
    await servers.close()
    programs.remove()
    interruption.close()
  }
}
