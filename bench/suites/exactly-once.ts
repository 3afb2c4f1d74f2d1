import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { produceRepeated } from '../../test/support/raw-producer.ts'
import type { Phases } from '../measured-strategies.ts'
import { OrderRuns, onGround } from '../order-runs.ts'
import { orderLog, partitions, STEADY } from '../orders.ts'
import type { Sample, Suite } from '../suite.ts'

/** Pairs for each turn asked for: 20 for the default of 5; one turn is one pair, to see that it works. */
const pairsPerTurn = 4

/** What the guards cost: the part of the batches' time that they take, and the job beside one that has none. */
export const exactlyOnce: Suite = {
  name: 'exactly-once',
  title: 'w1 (fields) with its guards, and with a strategy of the benchmark that writes the rows alone',
  engines: ['postgres', 'mysql', 'mariadb'],
  turns: (runs) => (runs === 1 ? 1 : runs * pairsPerTurn),
  open: (settings) =>
    onGround(settings, async (ground) => {
      const log = orderLog(settings.records * STEADY)
      const topic = await ground.topics.create('exactly_once', partitions)
      await produceRepeated(ground.topics.brokers, topic, log.batches)
      const runs = new OrderRuns(ground)
      const run = async (strategy: string, phases = ''): Promise<Sample> => {
        const env = { BENCH_DECODER: 'fields', BENCH_STRATEGY: strategy, BENCH_PHASES: phases }
        const { run, ...sample } = await runs.totals({ topic, name: `exactly-once ${strategy}`, env }, log)
        const wallMs = run.job.batches.reduce((sum, { processingMs = 0 }) => sum + processingMs, 0)
        if (phases === '') return sample
        const { guardsMs, advanceMs, ledgerMs } = JSON.parse(await readFile(phases, 'utf8')) as Phases
        return { ...sample, figures: { share: guardsMs / wallMs, phases: (advanceMs + ledgerMs) / wallMs } }
      }
      return {
        contestants: [
          {
            name: 'guarded',
            run: async () => {
              const folder = await mkdtemp(join(tmpdir(), 'oncesink-bench-'))
              return run('timed', join(folder, 'phases.json')).finally(() => rm(folder, { recursive: true }))
            },
          },
          { name: 'unguarded', run: () => run('unguarded') },
        ],
        rows: [
          {
            id: 'exactly-once.share',
            title: 'statements of compare-and-set and ledger, of the time in which batches are processed',
            target: { atMost: 0.03 },
            of: (figure) => figure('guarded', 'share'),
          },
          {
            id: 'exactly-once.phases',
            title: 'the same with BEGIN and what is prepared between them',
            target: null,
            of: (figure) => figure('guarded', 'phases'),
          },
          {
            id: 'exactly-once.pairs',
            title: 'time with guards / without - 1',
            target: null,
            interval: true,
            of: (figure) => figure('unguarded') / figure('guarded') - 1,
          },
        ],
      }
    }),
}
