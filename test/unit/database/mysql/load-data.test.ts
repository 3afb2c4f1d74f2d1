import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { loadData } from '../../../../src/database/mysql/load-data.ts'
import type { Answer, Session } from '../../../../src/database/mysql/session.ts'
import type { ResolvedTable, TableCatalog } from '../../../../src/database/mysql/table-catalog.ts'
import { RowTextWriter } from '../../../../src/executor/row-text-writer.ts'
import { noFaults } from '../../../../src/runtime/fault-points.ts'

test('no packet is larger than what the server takes, whatever a row has', async () => {
  const writer = new RowTextWriter([{ kind: 'text', isOffset: false }])
  const texts = ['first', 'x'.repeat(200_000), 'y', 'z'.repeat(70_000)]
  for (const text of texts) {
    writer.beginRow(0)
    writer.value(text)
    writer.endRow()
  }
  const packets: Buffer[] = []
  const session = {
    maxAllowedPacket: 64 * 1024,
    localInfile: true,
    async query(_sql: string, _values: unknown, _purpose: unknown, options?: { infile?: () => Readable }) {
      const stream = options?.infile?.().on('data', (packet: Buffer) => packets.push(packet))
      if (stream) await once(stream, 'end')
      return {
        rows: [],
        affectedRows: options?.infile ? 3 : 1,
        warnings: 0,
        info: '',
      } satisfies Answer<never>
    },
  } as unknown as Session
  const table = {
    qualifiedName: '`t`',
    columns: new Map([['name', { name: 'name', class: 'text', maxLength: null }]]),
  } as unknown as ResolvedTable
  const tables = { resolve: async () => table, forget: () => {} } as unknown as TableCatalog
  const write = { table: 't', columns: ['name'], text: writer.finish() }
  expect(await loadData(session, tables, noFaults, table, write)).toBe(true)
  expect(Buffer.concat(packets).toString()).toBe(`${texts.slice(1).join('\n')}\n`)
  expect(Math.max(...packets.map(({ length }) => length))).toBeLessThan(64 * 1024)
})
