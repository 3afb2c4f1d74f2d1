import { describe, expect, test } from 'vitest'
import { figure, interval95, isMet, measure, spreadOf } from '../../../bench/measure.ts'
import { orderLog } from '../../../bench/orders.ts'
import { table } from '../../../bench/report.ts'
import type { Suite } from '../../../bench/suite.ts'
import { wrongTotal } from '../../../bench/totals.ts'
import { expectedContent, placedOrders, wrongContent } from '../../../bench/w2/content.ts'
import { windowLog, wrongWindow } from '../../../bench/w3/windows.ts'

const quiet = () => {}

describe('measure', () => {
  test('runs contestants in turns, in the other order every second time, and takes ratios inside a turn', async () => {
    const calls: string[] = []
    const contestant = (name: string, values: number[]) => ({
      name,
      run: async () => {
        calls.push(name)
        return { value: values.shift() ?? 0, peakRssMib: 10 + values.length }
      },
    })
    const open = {
      contestants: [contestant('a', [10, 40, 90]), contestant('b', [10, 20, 30])],
      rows: [
        {
          id: 'a/b',
          title: 'a / b',
          target: { atLeast: 2 },
          of: (of: (name: string) => number) => of('a') / of('b'),
        },
        { id: 'b', title: 'b', target: { atMost: 19 }, of: (of: (name: string) => number) => of('b') },
      ],
      close: async () => {},
    }
    const result = await measure(open, 3, quiet)
    expect(calls).toEqual(['a', 'b', 'b', 'a', 'a', 'b'])
    expect(result.rows).toEqual([
      {
        id: 'a/b',
        title: 'a / b',
        target: { atLeast: 2 },
        value: { median: 2, least: 1, most: 3 },
        interval: null,
        met: true,
      },
      {
        id: 'b',
        title: 'b',
        target: { atMost: 19 },
        value: { median: 20, least: 10, most: 30 },
        interval: null,
        met: false,
      },
    ])
    expect(result.contestants[0]).toEqual({
      name: 'a',
      value: { median: 40, least: 10, most: 90 },
      peakRssMib: 12,
      cpuSeconds: null,
    })
    const suite: Suite = { name: 's', title: 'a suite', engines: ['postgres'], open: async () => open }
    expect(table(suite, 'postgres', result)).toContain('| a / b | 2.00 | 1.00 to 3.00 | >= 2 | yes |')
    expect(table(suite, 'postgres', result)).toContain('| b | 20.00 | 10.00 to 30.00 | <= 19 | NO |')
  })

  test('a contestant that fails ends it', async () => {
    const failing = { name: 'a', run: () => Promise.reject(new Error('wrong total')) }
    const open = { contestants: [failing], rows: [], close: async () => {} }
    await expect(measure(open, 1, quiet)).rejects.toThrow('wrong total')
  })

  test('rows may ask for other figures of a run, and for the interval of their mean', async () => {
    const values = [1, 2, 3]
    const contestant = {
      name: 'a',
      run: async () => ({ value: 0, figures: { p99: values.shift() ?? 0 } }),
    }
    const row = {
      ...{ id: 'x', title: 'x', target: null, interval: true as const },
      of: (of: (name: string, which?: string) => number) => of('a', 'p99'),
    }
    const open = { contestants: [contestant], rows: [row], close: async () => {} }
    const result = await measure(open, 3, quiet)
    expect(result.rows[0]?.value.median).toBe(2)
    expect(result.rows[0]?.interval?.map((bound) => bound.toFixed(2))).toEqual(['-0.48', '4.48'])
    const suite: Suite = { name: 's', title: 'a suite', engines: ['postgres'], open: async () => open }
    expect(table(suite, 'postgres', result)).toContain('1.00 to 3.00; mean, 95 %: -0.48 to 4.48')
    const unknown = { ...row, of: (of: (name: string, which?: string) => number) => of('a', 'p98') }
    await expect(measure({ ...open, rows: [unknown] }, 1, quiet)).rejects.toThrow(/p98/)
  })

  test('the interval of a mean is that of the tables of Student', () => {
    expect(interval95([1])).toBeNull()
    const half = (values: readonly number[]) => {
      const [low = 0, high = 0] = interval95(values) ?? []
      return (high - low) / 2
    }
    // t(0.975) of 1, 4 and 19 degrees of freedom: 12.706, 2.776, 2.093.
    expect(half([0, 1])).toBeCloseTo(12.706 * Math.sqrt(0.5 / 2), 2)
    expect(half([0, 0, 0, 0, 5]) / Math.sqrt(5 / 5)).toBeCloseTo(2.776, 1)
    const twenty = Array.from({ length: 20 }, (_, i) => i % 2)
    expect(half(twenty) / Math.sqrt(5 / 19 / 20)).toBeCloseTo(2.093, 2)
  })

  test('a row that asks for nobody is an error', async () => {
    const row = { id: 'x', title: 'x', target: null, of: (of: (name: string) => number) => of('nobody') }
    await expect(measure({ contestants: [], rows: [row], close: async () => {} }, 1, quiet)).rejects.toThrow(
      /nobody/,
    )
  })

  test('medians, targets and figures', () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, least: 1, most: 4 })
    expect(isMet({ atLeast: 1 }, 1)).toBe(true)
    expect(isMet({ atMost: 1 }, 1.01)).toBe(false)
    expect([figure(1.005), figure(1234567.8), figure(0.00512)]).toEqual(['1.00', '1,234,568', '0.0051'])
  })
})

describe('orders', () => {
  test('are the same for the same number, and as many as asked for', () => {
    const log = orderLog(9_000)
    expect(log).toEqual(orderLog(9_000))
    expect(log.records).toBe(12_000)
    expect(log.batches.map(({ partition }) => partition)).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
    const totals = [...log.totals.values()]
    expect(totals.reduce((sum, { orders }) => sum + orders, 0)).toBe(12_000)
    expect(orderLog(1_000_000).records).toBe(1_000_000)
    const size = (log.batches[0]?.values ?? []).reduce((sum, value) => sum + value.length, 0) / 1_000
    expect(Math.round(size)).toBe(84)
  })

  test('have as many keys and partitions as asked for, each of them in the log', () => {
    const log = orderLog(20_000, { partitions: 8, keys: 10_000 })
    expect(log.records).toBe(24_000)
    expect(new Set(log.batches.map(({ partition }) => partition)).size).toBe(8)
    expect(log.totals.size).toBe(10_000)
  })

  test('windows: 100,000 orders in a row have nearly as many pairs of item and window', () => {
    const log = windowLog(48_000)
    expect(log.batches.at(-1)).toEqual(windowLog(48_000).batches.at(-1))
    expect(log.records).toBe(48_000)
    expect(log.totals.size).toBeGreaterThan(40_000)
    const written = [...log.totals].map(([key, { orders, cents }]) => {
      const [item = '', start = ''] = key.split('/')
      return { item, start_ms: start, orders, revenue: (cents / 100).toFixed(2) }
    })
    expect(wrongWindow(log.totals, written)).toBeNull()
    expect(wrongWindow(log.totals, written.slice(1))).toMatch(/windows, not/)
    const [first] = written
    if (!first) throw new Error('no windows')
    expect(wrongWindow(log.totals, [{ ...first, orders: first.orders + 1 }, ...written.slice(1)])).toMatch(
      /orders and/,
    )
  })

  test('a total that is off by one is found', () => {
    const { totals } = orderLog(4_000)
    const written = [...totals].map(([item, { orders, cents }]) => ({
      item,
      orders: String(orders),
      revenue: (cents / 100).toFixed(2),
    }))
    expect(wrongTotal(totals, written)).toBeNull()
    expect(wrongTotal(totals, written.slice(1))).toMatch(/items, not/)
    const [first] = written
    if (!first) throw new Error('no totals')
    const others = written.slice(1)
    expect(wrongTotal(totals, [{ ...first, orders: String(Number(first.orders) + 1) }, ...others])).toMatch(
      /orders and/,
    )
    expect(wrongTotal(totals, [{ ...first, revenue: '0.01' }, ...others])).toMatch(/0\.01 for/)
    expect(wrongTotal(totals, [{ ...first, item: 'other' }, ...others])).toMatch(/other/)
  })
})

describe('the content of W2', () => {
  const log = orderLog(12_000)

  test('has every record of the log at its place', () => {
    const places = new Set<string>()
    for (const { partition, offset } of placedOrders(log)) places.add(`${partition}/${offset}`)
    expect(places.size).toBe(log.records)
    for (let partition = 0; partition < 4; partition++)
      expect(places).toContain(`${partition}/${log.records / 4 - 1}`)
  })

  test('is the log: rows, cents, offsets, and a digest of everything', () => {
    const content = expectedContent(log)
    expect(content).toMatchObject({ rows: log.records, cents: log.cents })
    expect(content.offsets).toBe((4 * ((log.records / 4) * (log.records / 4 - 1))) / 2)
    expect(wrongContent(content, { ...content })).toBe(null)
    for (const name of ['rows', 'cents', 'offsets', 'digest'] as const) {
      const wrong = wrongContent(content, { ...content, [name]: content[name] + 1 })
      expect(wrong).toBe(`${name} ${content[name] + 1}, not ${content[name]}`)
    }
  })
})
