import { writeSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { asError, ExitCode, OncesinkError } from '../../errors.ts'
import { start } from '../../job/start.ts'
import type { FaultPoint } from '../../runtime/fault-points.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { EventBus, type JobEvents } from '../../telemetry/events.ts'
import { contractJob } from './contract-job.ts'
import { loadStrategy } from './load-strategy.ts'
import type { ContractFault, FromProcess, ProgramOptions, ToProcess } from './messages.ts'

/*
 * One process of a scenario: runs the contract's job, tells what happens to it, and sends itself the signal that it was
 * told to. It ends with whoever started it, who holds the other end of its standard input.
 */

const options = JSON.parse(process.argv[2] ?? '') as ProgramOptions
let fault: ContractFault | null = options.fault
let visits = 0
const reached = new Set<string>()
/** Fault points just before a COMMIT. */
const commits: Partial<Record<string, 'claim' | 'batch'>> = {
  'claim.before-commit': 'claim',
  'transaction.ledger-written': 'batch',
}
/** Continue what waits for `go`, in its order. */
const waiting: (() => void)[] = []

function say(what: FromProcess): void {
  const line = Buffer.from(`${JSON.stringify(what)}\n`)
  for (let written = 0; written < line.length; ) {
    try {
      written += writeSync(process.stdout.fd, line, written)
    } catch (error) {
      // The pipe is full; whoever reads it is busy.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

async function reach(point: FaultPoint): Promise<void> {
  if (!reached.has(point)) {
    reached.add(point)
    say({ say: 'point', point })
  }
  const what = options.asksBeforeCommit ? commits[point] : undefined
  if (what !== undefined) {
    say({ say: 'committing', what })
    await new Promise<void>((resolve) => waiting.push(resolve))
  }
  if (fault === null || point !== fault.point) return
  visits += 1
  if (visits < fault.visit) return
  const due = fault
  fault = null
  say({ say: 'fault', fault: due })
  process.kill(process.pid, due.signal)
}

const stopping = new AbortController()
process.on('SIGTERM', () => stopping.abort())
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const told = JSON.parse(line) as ToProcess
    if (told.say === 'go') return waiting.shift()?.()
    fault = told.fault
    visits = 0
  })
  .on('close', () => process.kill(process.pid, 'SIGKILL'))
process.stdin.unref()

function tell(events: EventBus<JobEvents>): void {
  const numbers = (list: readonly { readonly partition: number }[]) => list.map(({ partition }) => partition)
  events.on('claimed', ({ claims }) => say({ say: 'claimed', partitions: numbers(claims) }))
  events.on('batch', ({ records, deadLetters }) => say({ say: 'batch', records, deadLetters }))
  events.on('batchFailed', ({ reason, error }) =>
    say({ say: 'batchFailed', reason, error: error?.message ?? null }),
  )
  events.on('outcomeSettled', ({ committed }) => say({ say: 'outcomeSettled', committed }))
  events.on('lost', ({ partitions }) => say({ say: 'lost', partitions: numbers(partitions) }))
  events.on('retrying', ({ what, error }) => say({ say: 'note', text: `${what} is away: ${error.message}` }))
  events.on('blockerEnded', ({ application }) =>
    say({ say: 'note', text: `ended the session of ${application}` }),
  )
  events.on('warning', ({ message }) => say({ say: 'note', text: message }))
}

try {
  const strategy = await loadStrategy(options.strategy, { directory: options.directory })
  const events = new EventBus<JobEvents>()
  tell(events)
  const runtime = { ...systemRuntime, faultPoints: { reach } }
  const job = contractJob(options.job, strategy)
  const { once } = options
  const running = await start(job, { events, runtime, once, signal: stopping.signal })
  await running.done
  process.exitCode = ExitCode.ok
} catch (thrown) {
  const error = asError(thrown)
  say({
    say: 'failed',
    code: error instanceof OncesinkError ? error.code : error.name,
    message: error instanceof OncesinkError ? error.message : (error.stack ?? error.message),
  })
  process.exitCode = error instanceof OncesinkError ? error.exitCode : ExitCode.failure
}
