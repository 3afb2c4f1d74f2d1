/*
 * One life of the job of a campaign, in a process of its own, which takes a LifePlan as JSON. It says on standard output, a JSON object a line, what it does (see LifeLine), takes further faults from standard input, and ends
 * when that is closed.
 */
import { writeSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { asError, ExitCode, OncesinkError } from '../../../errors.ts'
import { start } from '../../../job/start.ts'
import { systemRuntime } from '../../../runtime/runtime.ts'
import { EventBus, type JobEvents } from '../../../telemetry/events.ts'
import { witnessJob } from '../witness-job.ts'
import type { LifeFault, LifeLine, LifePlan } from './life-plan.ts'

const plan = JSON.parse(process.argv[2] ?? '') as LifePlan
let fault: LifeFault | null = plan.fault ?? null
let commits = 0
let visits = 0

createInterface({ input: process.stdin })
  .on('line', (line) => {
    fault = JSON.parse(line) as LifeFault | null
    visits = 0
  })
  .on('close', () => process.kill(process.pid, 'SIGKILL'))

const events = new EventBus<JobEvents>()
events.on('claimed', ({ claims }) =>
  say({ event: 'claimed', nextOffsets: claims.map((c) => [c.partition, Number(c.nextOffset)]) }),
)
events.on('lost', ({ partitions }) => say({ event: 'lost', partitions: partitions.map((p) => p.partition) }))
events.on('batch', ({ records }) => {
  commits += 1
  say({ event: 'batch', records })
})
events.on('batchFailed', ({ reason }) => say({ event: 'batchFailed', reason }))

// For people, when something goes wrong.
events.on('stateChanged', ({ from, to }) => tell(`${from} -> ${to}`))
events.on('retrying', ({ what, error, delayMs }) =>
  tell(`${what} is away, again in ${delayMs} ms: ${error.message}`),
)
events.on('recovered', ({ what }) => tell(`${what} is back`))
events.on('warning', ({ message }) => tell(message))

const stopping = new AbortController()
process.on('SIGTERM', () => stopping.abort())

// Standard input would keep the process alive.
void live().then((code) => process.exit(code))

async function live(): Promise<number> {
  const runtime = { ...systemRuntime, faultPoints: { reach: faultAt } }
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

/** Sends the signal at the n-th visit of the point after the n-th commit. */
async function faultAt(point: string): Promise<void> {
  if (!fault || point !== fault.point || commits < fault.afterCommits) return
  visits += 1
  if (visits !== fault.visit) return
  const { signal, delayMs } = fault
  const strike = () => {
    say({ event: 'fault', point })
    process.kill(process.pid, signal)
  }
  // What comes next is on its way when the signal comes.
  if (delayMs === undefined) strike()
  else setTimeout(strike, delayMs)
}

function tell(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`)
}

/** Written before the next statement: nothing that was said is lost with the process. */
function say(line: LifeLine): void {
  writeSync(process.stdout.fd, `${JSON.stringify(line)}\n`)
}
