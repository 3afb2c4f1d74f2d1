import { fileURLToPath } from 'node:url'
import { invariant } from '../errors.ts'
import { createInlineExecutor } from '../executor/inline.ts'
import { compilePartitionTask, type TaskWatch } from '../executor/partition-task.ts'
import type { ToWorker } from '../executor/threads/messages.ts'
import { Vitals } from '../executor/threads/vitals.ts'
import {
  forwardEvents,
  WorkerServer,
  type WorkerServerDeps,
  type Workplace,
} from '../executor/threads/worker-server.ts'
import { jobParts } from '../job/job-parts.ts'
import { loadJob } from '../job/load-job.ts'
import { noFaults } from '../runtime/fault-points.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { EventBus, type JobEvents } from '../telemetry/events.ts'
import { createSource } from '../wire-source.ts'
import { ownWorkerData } from './worker-data.ts'

/*
 * The first file of a worker thread: loads the job, and computes what the driver's thread asks for.
 */

const data = ownWorkerData()
invariant(data, 'this file is loaded by a worker thread of a job')
const { port, module, count } = data

const runtime = { ...systemRuntime, faultPoints: noFaults }
const post: WorkerServerDeps['post'] = (message, transfers) => port.postMessage(message, transfers)

async function prepare(watch: TaskWatch): Promise<Workplace> {
  const job = await loadJob(fileURLToPath(module))
  const events = new EventBus<JobEvents>()
  forwardEvents(events, post)
  const source = createSource(job, runtime, events, Math.floor(job.limits.maxBufferedBytes / count))
  const task = compilePartitionTask(job.root, job.pipelines, runtime.clock, {
    watch,
    digest: job.ledger.digest,
  })
  return { source, executor: createInlineExecutor(source, task, runtime, job.poison), parts: jobParts(job) }
}

const server = new WorkerServer({
  post,
  vitals: new Vitals(data.vitals),
  clock: runtime.clock,
  prepare,
  // Nothing keeps the thread alive then but what the job's own code has left behind.
  onClosed: () => port.close(),
})
port.on('message', (message: ToWorker) => void server.receive(message))
void server.beat()
