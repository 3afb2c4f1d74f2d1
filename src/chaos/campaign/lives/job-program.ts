/*
 * One life of the job of a campaign, in a process of its own, which takes a LifePlan as JSON. It says on standard output
 * what it does (see LifeLine), and is commanded to take another fault, or none (LifeFault | null).
 */
import process from 'node:process'
import { asError, ExitCode, OncesinkError } from '../../../errors.ts'
import { start } from '../../../job/start.ts'
import { systemRuntime } from '../../../runtime/runtime.ts'
import { EventBus, type JobEvents } from '../../../telemetry/events.ts'
import { hearCommands, say } from '../../life/line-talk.ts'
import { ArmedFault } from '../../life/own-fault.ts'
import { witnessJob } from '../witness-job.ts'
import type { LifeFault, LifeLine, LifePlan } from './life-plan.ts'

const plan = JSON.parse(process.argv[2] ?? '') as LifePlan
const armed = new ArmedFault<LifeFault>()
hearCommands<LifeFault | null>((fault) => armed.arm(fault))

const events = new EventBus<JobEvents>()
events.on('claimed', ({ claims }) =>
  tell({ event: 'claimed', nextOffsets: claims.map((c) => [c.partition, Number(c.nextOffset)]) }),
)
events.on('lost', ({ partitions }) => tell({ event: 'lost', partitions: partitions.map((p) => p.partition) }))
let hasCommitted = false
events.on('batch', ({ records }) => {
  if (!hasCommitted && plan.fault) armed.arm(plan.fault)
  hasCommitted = true
  tell({ event: 'batch', records })
})

// For people, when something goes wrong.
events.on('batchFailed', ({ reason }) => note(`batch failed (${reason})`))
events.on('stateChanged', ({ from, to }) => note(`${from} -> ${to}`))
events.on('retrying', ({ what, error, delayMs }) =>
  note(`${what} is away, again in ${delayMs} ms: ${error.message}`),
)
events.on('recovered', ({ what }) => note(`${what} is back`))
events.on('warning', ({ message }) => note(message))

const stopping = new AbortController()
process.on('SIGTERM', () => stopping.abort())

// Whatever else is still open would keep the process alive.
void live().then((code) => process.exit(code))

async function live(): Promise<number> {
  const runtime = { ...systemRuntime, faultPoints: { reach } }
  try {
    const running = await start(witnessJob(plan.spec), { events, runtime, signal: stopping.signal })
    await running.done
    return ExitCode.ok
  } catch (thrown) {
    const error = asError(thrown)
    process.stderr.write(`${error.stack}\n`)
    return error instanceof OncesinkError ? error.exitCode : ExitCode.failure
  }
}

async function reach(point: string): Promise<void> {
  const fault = armed.dueAt(point)
  if (fault === null) return
  const { signal, delayMs } = fault
  const strike = () => {
    tell({ event: 'fault', point })
    process.kill(process.pid, signal)
  }
  // What comes next is on its way when the signal comes.
  if (delayMs === undefined) strike()
  else setTimeout(strike, delayMs)
}

function note(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`)
}

function tell(line: LifeLine): void {
  say(process.stdout.fd, line)
}
