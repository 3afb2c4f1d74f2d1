import type { PipelinePlan } from './plan.ts'

/** A complete way from a source to a sink: what `into(...)` returns and `defineJob` takes. */
export class Pipeline {
  readonly plan: PipelinePlan

  constructor(plan: PipelinePlan) {
    this.plan = Object.freeze(plan)
    Object.freeze(this)
  }
}
