/*
 * Loaded into every process of a chaos run before the command line (`node --import`), and into its worker threads: puts
 * the run's servers in place of the job's, and does at once what the run's own process writes to standard input, one
 * JSON object a line:
 *   {"do":"arm","point":"transaction.rows-written","visit":2,"signal":"SIGKILL"}   to itself, at the second visit from now
 *   {"do":"crashWorker"}     ends one worker thread
 *   {"do":"jump","ms":-3600000}   moves this process's wall clock
 * It ends when its standard input does: no process outlives the run.
 */
import { writeSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import process from 'node:process'
import { createInterface } from 'node:readline'
import type * as workerThreads from 'node:worker_threads'
import { overlayJobs } from '../../job/job-overlay.ts'
import { onCrashPoint } from '../../runtime/crash-point.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { chaosJob } from './overlay.ts'
import { routeConnections } from './route-connections.ts'
import { readSettings } from './settings.ts'

/** What the run tells a life to do. */
export type LifeCommand =
  | {
      readonly do: 'arm'
      readonly point: string
      readonly visit: number
      readonly signal: 'SIGKILL' | 'SIGSTOP'
    }
  | { readonly do: 'crashWorker' }
  | { readonly do: 'jump'; readonly ms: number }

type WorkerThreads = { -readonly [K in keyof typeof workerThreads]: (typeof workerThreads)[K] }

const threads = createRequire(import.meta.url)('node:worker_threads') as WorkerThreads
const settings = readSettings(process.env)
if (settings) {
  overlayJobs((job) => chaosJob(job, settings))
  routeConnections(settings.brokerRoutes)
}
if (threads.isMainThread) obey()

function obey(): void {
  let armed: { point: string; visitsLeft: number; signal: 'SIGKILL' | 'SIGSTOP' } | null = null
  const known = new Set<string>()
  const reach = (point: string) => {
    if (!known.has(point)) {
      known.add(point)
      say({ event: 'point', point })
    }
    if (armed?.point !== point) return
    armed.visitsLeft -= 1
    if (armed.visitsLeft > 0) return
    const { signal } = armed
    armed = null
    say({ event: signal === 'SIGKILL' ? 'killedAt' : 'stoppedAt', point })
    process.kill(process.pid, signal)
  }
  const runtime = systemRuntime as { -readonly [K in keyof typeof systemRuntime]: (typeof systemRuntime)[K] }
  runtime.faultPoints = { reach: async (point) => reach(point) }
  onCrashPoint(async (name) => reach(`crashPoint:${name}`))

  let jumpedMs = 0
  const now = Date.now
  Date.now = () => now() + jumpedMs

  const workers = rememberWorkers()
  const input = createInterface({ input: process.stdin })
  input.on('line', (line) => {
    const command = JSON.parse(line) as LifeCommand
    if (command.do === 'arm')
      armed = { point: command.point, visitsLeft: command.visit, signal: command.signal }
    else if (command.do === 'jump') {
      jumpedMs += command.ms
      say({ event: 'jumped', ms: jumpedMs })
    } else {
      const [worker] = workers
      if (worker) {
        say({ event: 'workerCrashed' })
        void worker.terminate()
      }
    }
  })
  input.on('close', () => process.kill(process.pid, 'SIGKILL'))
  process.stdin.unref()
}

/** Every worker thread that is started from now on and has not ended. */
function rememberWorkers(): Set<workerThreads.Worker> {
  const open = new Set<workerThreads.Worker>()
  threads.Worker = class extends threads.Worker {
    constructor(...args: ConstructorParameters<typeof workerThreads.Worker>) {
      super(...args)
      open.add(this)
      this.once('exit', () => open.delete(this))
    }
  }
  syncBuiltinESMExports()
  return open
}

/** At once, or it would be gone with the process. */
function say(line: Readonly<Record<string, unknown>>): void {
  writeSync(process.stderr.fd, `${JSON.stringify(line)}\n`)
}
