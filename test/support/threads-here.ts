import { MessageChannel } from 'node:worker_threads'
import type { OncesinkError } from '../../src/errors.ts'
import { createInlineExecutor } from '../../src/executor/inline.ts'
import {
  compilePartitionTask,
  type PartitionTask,
  type TaskWatch,
} from '../../src/executor/partition-task.ts'
import type { ToDriver, ToWorker } from '../../src/executor/threads/messages.ts'
import { createThreadExecutor } from '../../src/executor/threads/thread-executor.ts'
import { Vitals } from '../../src/executor/threads/vitals.ts'
import type { Launch } from '../../src/executor/threads/worker-handle.ts'
import { forwardEvents, WorkerServer } from '../../src/executor/threads/worker-server.ts'
import type { Job } from '../../src/job/job.ts'
import { jobParts } from '../../src/job/job-parts.ts'
import { workerThreads } from '../../src/job/worker-threads.ts'
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts'
import type { Source } from '../../src/source/source.ts'
import { EventBus, type JobEventBus, type JobEvents } from '../../src/telemetry/events.ts'

/** A worker that computes in this thread. */
export interface WorkerHere {
  readonly source: Source
  readonly events: JobEventBus
  /** Ends the worker as if its thread had ended. */
  end(error: OncesinkError): void
  /** Whether its thread was told to end. */
  terminated: boolean
}

export interface ThreadsHereOptions {
  readonly count: number
  readonly sourceOf: (index: number) => Source
  /** Default: the job's own, compiled in the worker. */
  readonly task?: (index: number, watch: TaskWatch) => PartitionTask
  readonly runtime?: Runtime
  readonly workerTimeoutMs?: number
  /** What the workers say that they have loaded. Default: the job. */
  readonly loaded?: Job
}

/**
 * The executor of worker threads, whose workers are all here: messages go through real ports, so that they are cloned
 * and transferred as between threads; only the threads are missing.
 */
export function threadsHere(job: Job, options: ThreadsHereOptions) {
  const { count, sourceOf, runtime = systemRuntime, workerTimeoutMs = 30_000, loaded = job } = options
  const workers: WorkerHere[] = []
  const events = new EventBus<JobEvents>()
  const launch: Launch = (index) => {
    const { port1, port2 } = new MessageChannel()
    const vitals = new Vitals()
    const bus = new EventBus<JobEvents>()
    const post = (message: ToDriver, transfers: ArrayBuffer[]) => port2.postMessage(message, transfers)
    forwardEvents(bus, post)
    const source = sourceOf(index)
    let onClosed = () => {}
    const closed = new Promise<void>((resolve) => {
      onClosed = resolve
    })
    const server = new WorkerServer({
      post,
      vitals,
      clock: systemRuntime.clock,
      onClosed,
      prepare: async (watch) => {
        const task =
          options.task?.(index, watch) ??
          compilePartitionTask(loaded.root, loaded.pipelines, systemRuntime.clock, {
            watch,
            digest: loaded.ledger.digest,
          })
        return {
          source,
          executor: createInlineExecutor(source, task, systemRuntime, job.poison),
          parts: jobParts(loaded),
        }
      },
    })
    port2.on('message', (message: ToWorker) => void server.receive(message))
    const worker: WorkerHere = { source, events: bus, end: () => {}, terminated: false }
    workers.push(worker)
    return {
      vitals,
      post: (message) => port1.postMessage(message),
      listen({ onMessage, onEnd }) {
        port1.on('message', (message: ToDriver) => onMessage(message))
        worker.end = onEnd
      },
      ended: () => closed,
      terminate: async () => {
        worker.terminated = true
        port1.close()
      },
    }
  }
  const plan = workerThreads({ count, workerTimeoutMs, module: '/srv/job.ts' })
  const executor = createThreadExecutor({
    startupTimeoutMs: job.limits.startupTimeoutMs,
    plan,
    parts: jobParts(job),
    poison: job.poison,
    launch,
    runtime,
    events,
  })
  return { executor, workers, events }
}
