import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Engine } from '../../src/services/index.ts'
import type { OrderLog } from '../orders.ts'
import { placedOrders } from './content.ts'

const PIECE_CHARACTERS = 2 ** 20

/** The rows of the log as text between tabs, which COPY and LOAD DATA both read. */
export async function writeRowsFile(file: string, engine: Engine, log: OrderLog): Promise<void> {
  const out = createWriteStream(file)
  let piece = ''
  for (const { item, user, amount, at, partition, offset } of placedOrders(log)) {
    const time = engine === 'postgres' ? at : at.replace('T', ' ').replace('Z', '')
    piece += `${item}\t${user}\t${amount}\t${time}\t${partition}\t${offset}\n`
    if (piece.length < PIECE_CHARACTERS) continue
    if (!out.write(piece)) await once(out, 'drain')
    piece = ''
  }
  out.end(piece)
  await once(out, 'finish')
}
