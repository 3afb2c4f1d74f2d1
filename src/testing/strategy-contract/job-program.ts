import process from 'node:process'
import { hearCommands, say } from '../../chaos/life/line-talk.ts'
import { ArmedFault } from '../../chaos/life/own-fault.ts'
import { asError, ExitCode, OncesinkError } from '../../errors.ts'
import { start } from '../../job/start.ts'
import type { FaultPoint } from '../../runtime/fault-points.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { EventBus, type JobEvents } from '../../telemetry/events.ts'
import { contractJob } from './contract-job.ts'
import { loadStrategy } from './load-strategy.ts'
import type { FromProcess, ProgramOptions, ToProcess } from './messages.ts'

/*
 * One process of a scenario: runs the contract's job, tells what happens to it, and sends itself the signal that it was
 * told to. It ends with whoever started it, who holds the other end of its standard input.
 */

const options = JSON.parse(process.argv[2] ?? '') as ProgramOptions
const armed = new ArmedFault()
armed.arm(options.fault)
const reached = new Set<string>()
/** Fault points just before a COMMIT. */
const commits: Partial<Record<string, 'claim' | 'batch'>> = {
  'claim.before-commit': 'claim',
  'transaction.ledger-written': 'batch',
}
/** Continue what waits for `go`, in its order. */
const waiting: (() => void)[] = []

function tell(what: FromProcess): void {
  say(process.stdout.fd, what)
}

async function reach(point: FaultPoint): Promise<void> {
  if (!reached.has(point)) {
    reached.add(point)
    tell({ say: 'point', point })
  }
  const what = options.asksBeforeCommit ? commits[point] : undefined
  if (what !== undefined) {
    tell({ say: 'committing', what })
    await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const fault = armed.dueAt(point)
  if (fault === null) return
  tell({ say: 'fault', fault })
  process.kill(process.pid, fault.signal)
}

const stopping = new AbortController()
process.on('SIGTERM', () => stopping.abort())
hearCommands<ToProcess>((command) => {
  if (command.say === 'go') waiting.shift()?.()
  else armed.arm(command.fault)
})

function tellOf(events: EventBus<JobEvents>): void {
  const numbers = (list: readonly { readonly partition: number }[]) => list.map(({ partition }) => partition)
  events.on('claimed', ({ claims }) => tell({ say: 'claimed', partitions: numbers(claims) }))
  events.on('batch', ({ records, deadLetters }) => tell({ say: 'batch', records, deadLetters }))
  events.on('batchFailed', ({ reason, error }) =>
    tell({ say: 'batchFailed', reason, error: error?.message ?? null }),
  )
  events.on('outcomeSettled', ({ committed }) => tell({ say: 'outcomeSettled', committed }))
  events.on('lost', ({ partitions }) => tell({ say: 'lost', partitions: numbers(partitions) }))
  events.on('retrying', ({ what, error }) => tell({ say: 'note', text: `${what} is away: ${error.message}` }))
  events.on('blockerEnded', ({ application }) =>
    tell({ say: 'note', text: `ended the session of ${application}` }),
  )
  events.on('warning', ({ message }) => tell({ say: 'note', text: message }))
}

try {
  const strategy = await loadStrategy(options.strategy, { directory: options.directory })
  const events = new EventBus<JobEvents>()
  tellOf(events)
  const runtime = { ...systemRuntime, faultPoints: { reach } }
  const job = contractJob(options.job, strategy)
  const { once } = options
  const running = await start(job, { events, runtime, once, signal: stopping.signal })
  await running.done
  process.exitCode = ExitCode.ok
} catch (thrown) {
  const error = asError(thrown)
  tell({
    say: 'failed',
    code: error instanceof OncesinkError ? error.code : error.name,
    message: error instanceof OncesinkError ? error.message : (error.stack ?? error.message),
  })
  process.exitCode = error instanceof OncesinkError ? error.exitCode : ExitCode.failure
}
