/*
 * Loaded into every process of a chaos run before the command line (`node --import`), and into its worker threads: puts
 * the run's servers in place of the job's, and does at once what the run's own process writes to standard input, one
 * JSON object a line:
 *   {"do":"arm","point":"transaction.rows-written","visit":2,"signal":"SIGKILL"}   to itself, at the second visit from now
 *   {"do":"crashWorker"}     ends one worker thread
 *   {"do":"jump","ms":-3600000}   moves this process's wall clock
 * It ends when its standard input does: no process outlives the run.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module'
import process from 'node:process'
import type * as workerThreads from 'node:worker_threads'
import { overlayJobs } from '../../job/job-overlay.ts'
import { onCrashPoint } from '../../runtime/crash-point.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { hearCommands, say } from './line-talk.ts'
import { chaosJob } from './overlay.ts'
import { ArmedFault, type OwnFault } from './own-fault.ts'
import { routeConnections } from './route-connections.ts'
import { readSettings } from './settings.ts'

/** What the run tells a life to do. */
export type LifeCommand =
  | ({ readonly do: 'arm' } & OwnFault)
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
  const armed = new ArmedFault()
  const known = new Set<string>()
  const reach = (point: string) => {
    if (!known.has(point)) {
      known.add(point)
      tell({ event: 'point', point })
    }
    const fault = armed.dueAt(point)
    if (fault === null) return
    const { signal } = fault
    tell({ event: signal === 'SIGKILL' ? 'killedAt' : 'stoppedAt', point })
    process.kill(process.pid, signal)
  }
  const runtime = systemRuntime as { -readonly [K in keyof typeof systemRuntime]: (typeof systemRuntime)[K] }
  runtime.faultPoints = { reach: async (point) => reach(point) }
  onCrashPoint(async (name) => reach(`crashPoint:${name}`))

  let jumpedMs = 0
  const now = Date.now
  Date.now = () => now() + jumpedMs

  const workers = rememberWorkers()
  hearCommands<LifeCommand>((command) => {
    if (command.do === 'arm') armed.arm(command)
    else if (command.do === 'jump') {
      jumpedMs += command.ms
      tell({ event: 'jumped', ms: jumpedMs })
    } else {
      const [worker] = workers
      if (worker) {
        tell({ event: 'workerCrashed' })
        void worker.terminate()
      }
    }
  })
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

/** Where the job's log is, too. */
function tell(line: Readonly<Record<string, unknown>>): void {
  say(process.stderr.fd, line)
}
