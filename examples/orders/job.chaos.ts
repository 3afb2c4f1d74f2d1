// What `oncesink chaos examples/orders/job.ts` needs to know about the job: what its records look like.
import type { ChaosSpec } from 'oncesink/testing'

const start = Date.UTC(2026, 0, 1)

export default {
  records: (n, random) => ({
    value: {
      item: `item-${random.integer(1, 40)}`,
      // Every twentieth is a refund, which the job leaves out.
      amount: (random.integer(0, 19) === 0 ? -1 : 1) * (random.integer(1, 10_000) / 100),
      at: new Date(start + n * 25).toISOString(),
    },
  }),
} satisfies ChaosSpec
