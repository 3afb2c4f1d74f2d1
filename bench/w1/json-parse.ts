/*
 * JSON.parse alone: the values of the workload as strings, parsed one after another, the two fields looked at. No
 * bytes, no Kafka, no database.
 */
import { orderLog } from '../orders.ts'

const { batches, times, records } = orderLog(Number(process.env.BENCH_RECORDS))
// As a reader would have made them: flat strings of one byte per character.
const values = batches.map((batch) => batch.values.map((value) => Buffer.from(value).toString('latin1')))
let cents = 0
const beganAt = performance.now()
for (let time = 0; time < times; time++) {
  for (const batch of values) {
    for (const value of batch) {
      const order = JSON.parse(value) as { item: string; amount: number }
      if (order.item !== '') cents += Math.round(order.amount * 100)
    }
  }
}
const seconds = (performance.now() - beganAt) / 1_000
console.log(JSON.stringify({ perSecond: records / seconds, cents }))
