import type { Job } from './job.ts'
import { shapeOf } from './shape.ts'

/**
 * What makes up a job, as one text per part: a worker thread loads the job's module again, and must get the same job.
 * Functions cannot be compared, and are not. The texts hold secrets: they are for comparing only.
 */
export function jobParts(job: Job): Readonly<Record<string, string>> {
  return {
    name: job.name,
    shape: shapeOf(job),
    source: textOf(job.root.source),
    decoders: textOf([job.root.decoder.name, job.root.keyDecoder?.name]),
    steps: textOf(job.pipelines.map(({ steps, terminal }) => [steps.map(({ kind }) => kind), terminal.kind])),
    poison: textOf(job.poison),
    limits: textOf(job.limits),
    digest: textOf(job.ledger.digest),
  }
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'bigint' || part instanceof RegExp) return String(part)
    return typeof part === 'function' ? 'function' : part
  })
}
